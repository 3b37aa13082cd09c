//! The other instances, as their rows show them: who lives, who has been silent for too long.
//!
//! A silence is counted on our own clock, from the *arrival* of the answer that first showed a
//! row's version to the *send* of the last read that still shows it. Where the store can say how
//! old the row was, its age is added. Never is a time that somebody wrote compared with a clock.

use std::collections::BTreeMap;
use std::time::Duration;

use super::messages::Found;
use super::timing::Timing;
use crate::machine::Incarnation;
use crate::rows::{Member, RowError};
use crate::stores::Version;
use crate::time::Instant;

/// All members but ourselves.
#[derive(Clone, Debug)]
pub(super) struct Members {
    seen: BTreeMap<Incarnation, Sighting>,
    /// When the newest read that was taken in was sent.
    looked: Instant,
    /// Rows that we deleted, each with the send of its deletion, until a later read bears it out.
    reaped: Vec<(Incarnation, Instant)>,
}

/// What is known of one member.
#[derive(Clone, Debug)]
struct Sighting {
    version: Version,
    /// One that cannot be understood is alive, but nobody to deal with.
    row: Result<Member, RowError>,
    /// Since when the row stands unchanged.
    since: Instant,
    /// When we met.
    met: Instant,
    /// How many looks in a row missed a heartbeat that was due.
    missed: u32,
    /// The store tells ages, so there is no need to look just after each heartbeat.
    aged: bool,
    /// Its deletion is under way.
    reaping: bool,
}

/// What a read changed.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Somebody left, or gave leases away: the lease rows are worth reading.
    pub(super) leases: bool,
    /// Members that changed, with the moment of the change, for comparing clocks.
    pub(super) beats: Vec<(Incarnation, Instant)>,
    /// Members whose rows are new and cannot be understood.
    pub(super) illegible: Vec<(Incarnation, RowError)>,
}

impl Members {
    pub(super) fn new() -> Self {
        Self { seen: BTreeMap::new(), looked: Instant::LONG_AGO, reaped: Vec::new() }
    }

    /// Takes in a read of all members that left at `sent` and arrived `now`. An answer that was
    /// overtaken by a later read says nothing.
    pub(super) fn observe(
        &mut self,
        sent: Instant,
        now: Instant,
        rows: Vec<(Incarnation, Found<Member>)>,
    ) -> Changes {
        let mut changes = Changes::default();
        if sent <= self.looked {
            return changes;
        }
        self.looked = sent;
        self.reaped.clear();
        let mut before = std::mem::take(&mut self.seen);
        for (id, found) in rows {
            let since = now.back(found.age.unwrap_or_default());
            let aged = found.age.is_some();
            let sighting = match before.remove(&id) {
                // Read before the answer that showed more: its age is that of another heartbeat.
                Some(known) if found.version < known.version => known,
                Some(mut known) if found.version == known.version => {
                    known.since = known.since.min(since);
                    known.missed += u32::from(sent >= known.next_beat());
                    known
                }
                known => {
                    let row = found.row;
                    changes.illegible.extend(row.as_ref().err().map(|why| (id, why.clone())));
                    let moved =
                        |row: &Result<Member, _>| row.as_ref().ok().map(|row| (row.moved, row.draining));
                    if let Some(known) = &known {
                        changes.leases |= moved(&known.row) != moved(&row);
                    }
                    if known.is_some() || aged {
                        changes.beats.push((id, since));
                    }
                    let met = known.map_or(now, |known| known.met);
                    Sighting { version: found.version, row, since, met, missed: 0, aged, reaping: false }
                }
            };
            self.seen.insert(id, sighting);
        }
        changes.leases |= !before.is_empty();
        changes
    }

    /// Those whose rows have stood unchanged for their whole time-to-live.
    pub(super) fn overdue(&self) -> Vec<Incarnation> {
        let silent = |member: &Sighting| self.looked.since(member.since) >= member.ttl();
        self.seen.iter().filter(|(_, member)| silent(member)).map(|(id, _)| *id).collect()
    }

    /// Marks the row of `id` as being deleted and tells on which version, unless it is already.
    pub(super) fn condemn(&mut self, id: Incarnation) -> Option<Version> {
        let member = self.seen.get_mut(&id).filter(|member| !member.reaping)?;
        member.reaping = true;
        Some(member.version)
    }

    /// A deletion that left at `sent` was applied. Returns the name of who is gone.
    pub(super) fn reaped(&mut self, id: Incarnation, sent: Instant) -> Option<String> {
        self.reaped.push((id, sent));
        self.seen.remove(&id).and_then(|member| member.row.ok()).map(|row| row.name)
    }

    /// A deletion was not applied, or nobody can say: the next read will show.
    pub(super) fn spared(&mut self, id: Incarnation) {
        if let Some(member) = self.seen.get_mut(&id) {
            member.reaping = false;
        }
    }

    /// Whether the row of `id` was missing at a moment after `moment`. As it is inserted before
    /// any lease names it and never comes back, a lease that named it by then is free.
    pub(super) fn gone_since(&self, id: Incarnation, moment: Instant) -> bool {
        !self.seen.contains_key(&id)
            && (self.looked > moment || self.reaped.iter().any(|&(gone, sent)| gone == id && sent > moment))
    }

    /// The members to place jobs on: alive, active, with the same jobs as ours.
    pub(super) fn crew(&self, placement: &str) -> impl Iterator<Item = Incarnation> {
        self.seen.iter().filter_map(move |(id, member)| {
            let row = member.row.as_ref().ok()?;
            (!row.draining && !member.reaping && row.placement == placement).then_some(*id)
        })
    }

    /// The row of `id`, if it can be understood.
    pub(super) fn row(&self, id: Incarnation) -> Option<&Member> {
        self.seen.get(&id)?.row.as_ref().ok()
    }

    /// All that can be understood.
    pub(super) fn rows(&self) -> impl Iterator<Item = (Incarnation, &Member)> {
        self.seen.iter().filter_map(|(id, member)| Some((*id, member.row.as_ref().ok()?)))
    }

    /// All that cannot.
    pub(super) fn illegible(&self) -> impl Iterator<Item = (Incarnation, &RowError)> {
        self.seen.iter().filter_map(|(id, member)| Some((*id, member.row.as_ref().err()?)))
    }

    /// Since when `id` has been known to live.
    pub(super) fn met(&self, id: Incarnation) -> Option<Instant> {
        self.seen.get(&id).map(|member| member.met)
    }

    /// When the members are worth another look: once a heartbeat; just after each heartbeat that is
    /// due, so that a silence is counted from its very beginning; and the moment a silence is full.
    pub(super) fn next_look(&self, timing: &Timing) -> Instant {
        let heard = self.seen.values().filter(|member| !member.reaping).map(|member| {
            let full = member.since + member.ttl();
            if member.aged {
                return full;
            }
            let spacing = timing.glance * 2_u32.saturating_pow(member.missed);
            member.next_beat().max(self.looked + spacing.min(timing.heartbeat)).min(full)
        });
        let next = heard.min().unwrap_or(Instant::NEVER);
        next.min(self.looked + timing.heartbeat).max(self.looked + timing.glance)
    }
}

impl Sighting {
    /// How long it may be silent. A row that cannot be understood, or asks for more than anybody
    /// may configure, is given the longest time there is.
    fn ttl(&self) -> Duration {
        self.row.as_ref().map_or(Timing::LONGEST, |row| row.ttl.clamp(Timing::SHORTEST, Timing::LONGEST))
    }

    /// When its next heartbeat is due: a little early, so that our looks drift towards the moment
    /// of the heartbeat until one just misses it.
    fn next_beat(&self) -> Instant {
        self.since + self.ttl() * 32 / 100
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::SCHEMA;
    use crate::time::Wall;

    const SOMEBODY: Incarnation = Incarnation(1);

    fn found(version: u64, age: u64) -> Vec<(Incarnation, Found<Member>)> {
        let row = Member {
            schema: SCHEMA,
            name: String::new(),
            beat: version,
            ttl: Duration::from_secs(10),
            url: String::new(),
            draining: false,
            moved: 0,
            placement: String::new(),
            version: String::new(),
            order: 1,
            clock: Wall::default(),
        };
        let age = Some(Duration::from_secs(age));
        vec![(SOMEBODY, Found { version: Version(version), age, row: Ok(row) })]
    }

    #[test]
    fn an_answer_that_shows_an_older_heartbeat_ages_nobody() {
        let at = |seconds| Instant::default() + Duration::from_secs(seconds);
        let mut members = Members::new();
        members.observe(at(20), at(23), found(2, 1));
        // It left later, and was at the store earlier.
        members.observe(at(21), at(24), found(1, 9));
        members.observe(at(25), at(26), found(2, 3));
        assert_eq!(members.overdue(), []);
        members.observe(at(32), at(33), found(2, 11));
        assert_eq!(members.overdue(), [SOMEBODY]);
    }
}
