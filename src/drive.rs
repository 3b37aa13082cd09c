//! Drives a machine: gives it what happened and the time, and carries out what it asks for.

use crate::machine::Machine;
use crate::time::{Clock, Instant, sleep_until};

/// The outside world of a machine.
pub trait Port<M: Machine> {
    /// Carries out one output. It must not wait: what takes time goes on beside the driver.
    fn act(&mut self, now: Instant, output: M::Output);
    /// The next thing that happens; `None` when nothing will. Losing the race against a timer must
    /// lose nothing.
    fn next(&mut self) -> impl Future<Output = Option<M::Input>> + Send;
    /// Shows the machine to whoever wants to see it, after each of its steps.
    fn publish(&mut self, now: Instant, machine: &M);
}

/// Runs `machine` against `port` until nothing more can happen.
pub async fn drive<M: Machine>(machine: &mut M, port: &mut impl Port<M>, clock: &dyn Clock) {
    let mut outputs = Vec::new();
    machine.tick(clock.now(), &mut outputs);
    loop {
        let now = clock.now();
        outputs.drain(..).for_each(|output| port.act(now, output));
        port.publish(now, machine);
        let deadline = machine.deadline();
        tokio::select! {
            biased;
            () = sleep_until(clock, deadline) => machine.tick(clock.now(), &mut outputs),
            input = port.next() => match input {
                Some(input) => machine.handle(clock.now(), input, &mut outputs),
                None => return,
            },
        }
    }
}
