//! What the command that follows a cluster tells of it, of real processes.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use tenure::config::moment;

use crate::failover::everywhere;
use crate::fleet::{Fleet, PATIENCE, now, send};

const EVERY: Duration = Duration::from_millis(200);

/// Somebody who follows a fleet.
struct Follower {
    child: Child,
    lines: Receiver<String>,
    told: Vec<Value>,
}

impl Follower {
    fn of(fleet: &Fleet) -> Self {
        let mut command = fleet.command(&["events", "--follow", "-o", "json"]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let (tell, lines) = channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
        Self { child, lines, told: Vec::new() }
    }

    /// Waits until it tells of something.
    fn hear(&mut self, event: &str, right: impl Fn(&Value) -> bool) -> Value {
        loop {
            let line =
                self.lines.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no {event}: {:?}", self.told));
            let value: Value = serde_json::from_str(&line).unwrap();
            self.told.push(value.clone());
            if value["event"] == event && right(&value) {
                return value;
            }
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.child.kill().unwrap_or_default();
        drop(self.child.wait());
    }
}

#[test]
fn whoever_follows_is_told_of_instances_and_leaders_and_of_every_due_time() {
    everywhere(|place| {
        let mut fleet = place.fleet(1, "200ms");
        let first = fleet.start();
        let (_, term) = fleet.next_leader("job-0", 0);
        let mut follower = Follower::of(&fleet);
        // It looks once a second, and each run is shorter than that by far.
        follower.hear("due.ended", |event| event["job"] == "job-0" && event["fate"] == "ran");
        fleet.start();
        follower.hear("instance.came", |event| event["node"] == "node-2");
        fleet.ask(&["drain", "node-1"]);
        follower.hear("instance.draining", |event| event["node"] == "node-1");
        fleet.next_leader("job-0", term);
        fleet.ask(&["undrain", "node-1"]);
        follower.hear("instance.back", |event| event["node"] == "node-1");
        fleet.node(&first).signal(Signal::TERM);
        follower.hear("instance.went", |event| event["node"] == "node-1");
        for _ in 0..20 {
            follower.hear("due.ended", |event| event["fate"] == "ran");
        }
        send(&follower.child, Signal::INT);
        let end = now() + PATIENCE;
        while follower.child.try_wait().unwrap().is_none() {
            assert!(now() < end, "it does not end");
            thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(follower.child.wait().unwrap().code(), Some(0));

        let led = follower.told.iter().filter(|event| event["event"] == "job.led");
        let terms: Vec<_> = led.map(|event| event["term"].as_u64().unwrap()).collect();
        assert!(!terms.is_empty() && terms.is_sorted_by(|one, next| one < next), "{terms:?}");
        let ended = follower.told.iter().filter(|event| event["event"] == "due.ended");
        let time = |event: &Value, key: &str| moment(event[key].as_str().unwrap()).unwrap();
        let ended: Vec<_> = ended.map(|event| (time(event, "due"), time(event, "last"))).collect();
        let gap = ended.windows(2).find(|pair| pair[1].0 != pair[0].1 + EVERY);
        assert!(gap.is_none(), "nothing was said of what was due between them: {gap:?}");
    });
}
