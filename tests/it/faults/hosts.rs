//! One command and two hosts, which reach the store by cables of their own: `tenure exec` where a cable is cut.

use std::process::{Command, Stdio};
use std::thread::sleep;

use super::cables::Cut;
use super::lab::Lab;
use crate::exec::{FAILOVER, Place, Running, SAYS, SHORT};
use crate::failover::{self, emulators, play};
use crate::fleet::share;

/// A command that says when it runs, on one of the hosts.
fn start(place: &Place, lab: &Lab, host: usize, (store, cluster): (&str, &str)) -> Running {
    let options = ["--store", "datastore", "--cluster", cluster, "--restart"];
    let here = place.exec(SHORT, &options, &["sh", "-c", SAYS]);
    let [first, rest @ ..] = lab.enter(host);
    let mut there = Command::new(first);
    there.args(rest).arg(here.get_program()).args(here.get_args());
    there.env_clear().envs(here.get_envs().filter_map(|(name, value)| Some((name, value?))));
    there.env("DATASTORE_EMULATOR_HOST", store).env("DATASTORE_PROJECT_ID", "tenure");
    there.current_dir(here.get_current_dir().unwrap()).stdin(Stdio::null());
    Running::start(there)
}

#[test]
fn no_two_hosts_run_a_command_at_once_whatever_becomes_of_their_cables() {
    let _share = share();
    let Some(failover::Place::Emulator(store)) = emulators().pop() else { return };
    play(&[Cut::Requests, Cut::Replies, Cut::Both, Cut::NoRoute], |cut| {
        let Some(lab) = Lab::new() else { return };
        let (inside, place) = (lab.store(&store), Place::new());
        let start = |host| start(&place, &lab, host, (&inside, &format!("hosts-{cut:?}").to_lowercase()));
        let first = start(1);
        let term = place.wait("the first host leads", "said", Place::last_term);
        let second = start(2);
        cut.make(&lab, 1);
        let later = |than| move |text: &str| Place::last_term(text).filter(|now| *now > than);
        let next = place.wait("the second host leads", "said", later(term));
        cut.mend(&lab, 1);
        sleep(FAILOVER);
        drop(second);
        place.wait("the first host leads again", "said", later(next));
        drop(first);
        place.assert_empties_soon();
        place.assert_one_after_the_other();
    });
}
