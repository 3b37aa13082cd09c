//! What a command writes, on its way into the log.

use std::io::{self, ErrorKind, PipeReader};
use std::os::fd::OwnedFd;
use std::time::Duration;

use tokio::net::unix::pipe::Receiver;
use tokio::task::yield_now;
use tokio::time::{Interval, interval};

use super::lines::Lines;
use crate::jobs::Run;

/// Bytes that are read at once.
const CHUNK: usize = 16 << 10;
/// How often a command may say as much as it may.
const MINUTE: Duration = Duration::from_mins(1);

/// Says what a command writes into its two pipes.
#[derive(Debug)]
pub(super) struct Output<'a> {
    run: &'a Run,
    lines: Lines,
    /// `None` when it has ended.
    pipes: [Option<Receiver>; 2],
    buffer: Vec<u8>,
    minute: Interval,
}

impl<'a> Output<'a> {
    pub(super) fn new(run: &'a Run, lines: Lines, pipes: [PipeReader; 2]) -> io::Result<Self> {
        let [out, err] = pipes.map(|pipe| Receiver::from_owned_fd(OwnedFd::from(pipe)));
        Ok(Self {
            run,
            lines,
            pipes: [Some(out?), Some(err?)],
            buffer: vec![0; CHUNK],
            minute: interval(MINUTE),
        })
    }

    /// Says what is written until both pipes have ended. Nothing is lost when it is not waited for.
    pub(super) async fn pump(&mut self) {
        while self.pipes.iter().any(Option::is_some) {
            let lines = tokio::select! {
                () = ready(self.pipes[0].as_ref()) => self.read(0),
                () = ready(self.pipes[1].as_ref()) => self.read(1),
                _ = self.minute.tick() => self.lines.refill(),
            };
            for line in lines {
                self.run.say(&line);
            }
            // Whoever writes without end keeps nobody else waiting.
            yield_now().await;
        }
    }

    fn read(&mut self, index: usize) -> Vec<String> {
        let length = read(&mut self.pipes[index], &mut self.buffer);
        self.lines.take(index, &self.buffer[..length])
    }

    /// Says the last that there is to say.
    pub(super) fn finish(self) {
        self.lines.finish().iter().for_each(|line| self.run.say(line));
    }
}

/// Waits until there is something to read; for ever if there never is.
async fn ready(pipe: Option<&Receiver>) {
    match pipe {
        // An error shows again when it is read.
        Some(pipe) => drop(pipe.readable().await),
        None => std::future::pending().await,
    }
}

/// Reads what is there.
fn read(pipe: &mut Option<Receiver>, buffer: &mut [u8]) -> usize {
    match pipe.as_ref().map(|pipe| pipe.try_read(buffer)) {
        Some(Ok(length @ 1..)) => length,
        Some(Err(error)) if error.kind() == ErrorKind::WouldBlock => 0,
        Some(Ok(_) | Err(_)) | None => {
            *pipe = None;
            0
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Write as _, pipe};
    use std::thread;

    use tokio::sync::watch;
    use tokio::time::timeout;

    use super::*;
    use crate::jobs::Lifeline;
    use crate::log::JobOutput;
    use crate::machine::{JobName, RunId, Term};
    use crate::secret::Secrets;
    use crate::time::Wall;

    fn run() -> Run {
        let lifeline = Lifeline { life: watch::channel(None).1, born: None, kill: Duration::ZERO };
        Run {
            since: Wall::default(),
            job: JobName::new("flood").unwrap(),
            term: Term(1),
            due: Wall::from_nanos(0),
            id: RunId(1),
            attempt: 1,
            node: "one".into(),
            deadline: Wall::from_nanos(0),
            lifeline,
            output: JobOutput::Json,
            asked: std::sync::Arc::default(),
            remains: watch::Sender::default(),
        }
    }

    #[tokio::test]
    async fn who_writes_faster_than_we_read_keeps_nobody_waiting() {
        let ((out, mut write), (err, _)) = (pipe().unwrap(), pipe().unwrap());
        let writer = thread::spawn(move || {
            let flood = "y\n".repeat(CHUNK);
            // Until nobody reads, or for too long.
            (0..500).take_while(|_| write.write_all(flood.as_bytes()).is_ok()).count()
        });
        let run = run();
        let mut output = Output::new(&run, Lines::new(Secrets::default(), usize::MAX), [out, err]).unwrap();
        assert!(timeout(Duration::from_millis(50), output.pump()).await.is_err());
        drop(output);
        assert!(writer.join().unwrap() < 500);
    }
}
