//! Standing aside: people have drained this instance, which gives everything up, leads nothing and stays.
//!
//! The row of the cluster lists the lives that stand aside. No safety rests on it: whoever has not read it
//! yet leads as before. A process whose life has lapsed remembers, and puts its next life in the place of
//! the one that was listed; another process under the same name knows nothing of it.

use super::messages::{Note, Output, RowWrite};
use super::seat::Exit;
use super::session::Session;
use super::{Asked, Lease};
use crate::machine::Incarnation;
use crate::rows::Cluster;
use crate::time::Instant;

impl Lease {
    /// Whether people have drained this instance, as far as it knows.
    pub fn stands_aside(&self) -> bool {
        self.aside.is_some()
    }

    /// Whether it gives up what it leads and takes nothing.
    pub(super) fn gives_up(&self) -> bool {
        self.draining || self.stands_aside()
    }

    /// Does what the row of the cluster, just read, says of this life.
    pub(super) fn heed(&mut self, now: Instant, out: &mut Vec<Output>) {
        let (Some(met), Some(me)) = (&self.cluster, self.incarnation()) else { return };
        let listed = met.row.drained.contains(&me);
        match self.aside {
            None if listed => {
                out.push(Output::Note(Note::Drained));
                self.turn(Some(me), now, out);
            }
            Some(life) if life == me && !listed => {
                out.push(Output::Note(Note::Undrained));
                self.turn(None, now, out);
            }
            Some(_) if listed => self.aside = Some(me),
            Some(life) if life != me => self.succeed(life, me, now, out),
            Some(_) | None => {}
        }
    }

    /// This instance begins or ceases to stand aside: the others place jobs by what its row says.
    fn turn(&mut self, aside: Option<Incarnation>, now: Instant, out: &mut Vec<Output>) {
        self.aside = aside;
        if let Session::Live(live) = &mut self.session {
            live.beat_at = live.beat_at.min(now);
        }
        self.replan();
        self.reconsider_all(now, out);
    }

    /// Has the row of the cluster list `me` in the place of an earlier life.
    fn succeed(&mut self, life: Incarnation, me: Incarnation, now: Instant, out: &mut Vec<Output>) {
        let writing = self.asked.values().any(|(_, asked)| matches!(asked, Asked::Cluster));
        if let Some(met) = self.cluster.as_ref().filter(|_| !writing) {
            let (base, row) = (met.version, met.row.clone());
            let drained = row.drained.iter().copied().filter(|other| *other != life).chain([me]).collect();
            let row = RowWrite::Cluster(Cluster { drained, ..row });
            self.write(now, Asked::Cluster, base, row, out);
        }
    }

    /// Takes back what it was about to give up because it stood aside, except what may be given already.
    pub(super) fn stay(&mut self, index: usize) {
        let seat = &mut self.seats[index];
        let given = self.draining || self.aside.is_some() || seat.surrendering();
        seat.exit.take_if(|exit| *exit == Exit::Drain && !given);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::super::{About, Answer, Ask, Balance, Found, Input, Timing, View};
    use super::*;
    use crate::machine::{JobName, Machine};
    use crate::rows::{self, Member};
    use crate::stores::{Outcome, Traits, Version};

    /// A machine alone with a store that does all it is asked.
    struct Scene {
        machine: Lease,
        now: Instant,
        version: u64,
        cluster: Option<(Version, Cluster)>,
        members: BTreeMap<Incarnation, (Version, Member)>,
        lease: Option<(Version, rows::Lease)>,
        notes: Vec<Note>,
    }

    fn found<T: Clone>((version, row): &(Version, T)) -> Found<T> {
        Found { version: *version, age: None, row: Ok(row.clone()) }
    }

    impl Scene {
        fn new() -> Self {
            let about = About { name: String::new(), url: String::new(), version: String::new() };
            let timing = Timing::from_failover(Duration::from_secs(10));
            let (traits, jobs) =
                (Traits { alone: true, volatile: false }, vec![JobName::new("job").unwrap()]);
            let random = fastrand::Rng::with_seed(7);
            let machine = Lease::new(timing, about, Balance::Spread, traits, jobs, random);
            let members = BTreeMap::new();
            let now = Instant::default();
            let mut scene =
                Self { machine, now, version: 0, cluster: None, members, lease: None, notes: Vec::new() };
            scene.pass(Duration::from_secs(1));
            scene
        }

        /// Time goes on, in steps in which the store answers everything.
        fn pass(&mut self, time: Duration) {
            let end = self.now + time;
            while self.now < end {
                self.now = self.machine.deadline().max(self.now + Duration::from_millis(1)).min(end);
                let mut outputs = Vec::new();
                self.machine.tick(self.now, &mut outputs);
                while let Some(output) = outputs.pop() {
                    if let Output::Ask { id, ask } = output {
                        let answer = self.answer(ask);
                        self.now = self.now + Duration::from_nanos(1);
                        self.machine.handle(self.now, Input::Answer { id, answer }, &mut outputs);
                    } else if let Output::Note(note) = output {
                        self.notes.push(note);
                    }
                }
            }
        }

        fn answer(&mut self, ask: Ask) -> Answer {
            match ask {
                Ask::Read(_) => Answer::Read(View {
                    cluster: self.cluster.as_ref().map(found),
                    members: self.members.iter().map(|(id, row)| (*id, found(row))).collect(),
                    leases: self.lease.iter().map(|row| (JobName::new("job").unwrap(), found(row))).collect(),
                }),
                Ask::Write(writes) => {
                    Answer::Written(writes.into_iter().map(|write| self.write(write.row)).collect())
                }
            }
        }

        fn write(&mut self, row: RowWrite) -> Outcome {
            self.version += 1;
            let version = Version(self.version);
            match row {
                RowWrite::Cluster(row) => self.cluster = Some((version, row)),
                RowWrite::Member(id, Some(row)) => drop(self.members.insert(id, (version, *row))),
                RowWrite::Member(id, None) => drop(self.members.remove(&id)),
                RowWrite::Lease(_, row) => self.lease = Some((version, *row)),
                RowWrite::Run(..) => {}
            }
            Outcome::Done(version)
        }

        fn leads(&self) -> bool {
            let job = JobName::new("job").unwrap();
            matches!(self.machine.leadership(&job, self.now), crate::machine::Leadership::Leader { .. })
        }

        fn list(&mut self, drained: Vec<Incarnation>) {
            self.version += 1;
            let (_, row) = self.cluster.take().unwrap();
            self.cluster = Some((Version(self.version), Cluster { drained, ..row }));
        }

        fn listed(&self) -> Vec<Incarnation> {
            self.cluster.as_ref().unwrap().1.drained.clone()
        }
    }

    #[test]
    fn a_drained_life_gives_up_what_it_leads_and_takes_it_when_it_is_undrained() {
        let mut scene = Scene::new();
        assert!(scene.leads());
        scene.list(vec![scene.machine.incarnation().unwrap()]);
        scene.pass(Duration::from_secs(30));
        assert!(!scene.leads() && scene.notes.contains(&Note::Drained));
        assert!(scene.members.values().all(|(_, row)| row.draining));
        assert_eq!(scene.lease.as_ref().unwrap().1.holder, None);
        scene.list(Vec::new());
        scene.pass(Duration::from_secs(10));
        assert!(scene.leads() && scene.notes.contains(&Note::Undrained));
    }

    #[test]
    fn the_next_life_of_a_process_that_was_drained_is_drained() {
        let mut scene = Scene::new();
        let first = scene.machine.incarnation().unwrap();
        scene.list(vec![first, Incarnation(5)]);
        scene.pass(Duration::from_secs(10));
        // It stands still until its life is over.
        scene.now = scene.now + Duration::from_mins(1);
        scene.pass(Duration::from_secs(30));
        let second = scene.machine.incarnation().unwrap();
        assert_ne!(first, second);
        assert_eq!(scene.listed(), [Incarnation(5), second]);
        assert!(!scene.leads() && scene.machine.stands_aside());
    }
}
