//! Who should lead what: rendezvous hashing with a bounded load.
//!
//! Every instance computes the same plan from the same jobs and the same members, so nobody has to
//! agree on anything. A job goes to the member that scores highest for it and still has room;
//! nobody gets two jobs more than another, so two instances with two jobs lead one each. When a
//! member comes or goes, most jobs stay where they are.

use crate::machine::{Incarnation, JobName};

/// No index into a crew.
const NOBODY: u32 = u32::MAX;

/// Who should lead each job.
#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    /// The members that can lead, sorted.
    crew: Vec<Incarnation>,
    /// For each job, whose it is: an index into `crew`.
    owners: Vec<u32>,
    /// Hash of the crew and the jobs.
    hash: String,
}

impl Plan {
    /// The plan for `jobs`, sorted, and a sorted `crew`. `None` is a job that is nobody's of this crew.
    pub(super) fn new<'a>(
        jobs: impl Iterator<Item = Option<&'a JobName>> + Clone,
        crew: Vec<Incarnation>,
    ) -> Self {
        let count = jobs.clone().flatten().count();
        let (share, mut rest) = (count / crew.len().max(1), count % crew.len().max(1));
        let mut load = vec![0; crew.len()];
        let mut listed = 0_u64;
        let mut owners = Vec::with_capacity(if crew.is_empty() { 0 } else { count });
        for job in jobs {
            let Some(job) = job else {
                owners.push(NOBODY);
                continue;
            };
            let seed = hash(job.as_str().as_bytes());
            listed = listed.rotate_left(1) ^ seed;
            let room = share + usize::from(rest > 0);
            let best = (0..crew.len()).filter(|&i| load[i] < room).max_by_key(|&i| score(seed, crew[i]));
            if let Some(owner) = best {
                rest -= usize::from(load[owner] == share);
                load[owner] += 1;
                owners.push(u32::try_from(owner).unwrap_or(NOBODY));
            }
        }
        let text = crew.iter().map(Incarnation::to_string).collect::<String>() + &listed.to_string();
        Self { hash: format!("{:016x}", hash(text.as_bytes())), crew, owners }
    }

    /// The members that the plan places jobs on, sorted.
    pub(super) fn crew(&self) -> &[Incarnation] {
        &self.crew
    }

    /// The crew and the jobs, in short.
    pub(super) fn hash(&self) -> &str {
        &self.hash
    }

    /// Who should lead the job at `index`.
    pub(super) fn owner(&self, index: usize) -> Option<Incarnation> {
        let owner = usize::try_from(*self.owners.get(index)?).ok()?;
        self.crew.get(owner).copied()
    }

    /// Who fits the job best, leaving `me` out.
    pub(super) fn best_but(&self, job: &JobName, me: Incarnation) -> Option<Incarnation> {
        let seed = hash(job.as_str().as_bytes());
        self.crew.iter().copied().filter(|&member| member != me).max_by_key(|&member| score(seed, member))
    }

    /// How many members should try for the job at `index` before `me`.
    pub(super) fn rank(&self, index: usize, job: &JobName, me: Incarnation) -> u32 {
        let owner = self.owner(index);
        if owner == Some(me) {
            return 0;
        }
        let seed = hash(job.as_str().as_bytes());
        let mine = score(seed, me);
        let ahead = |&&rival: &&Incarnation| Some(rival) != owner && score(seed, rival) > mine;
        1 + u32::try_from(self.crew.iter().filter(ahead).count()).unwrap_or(u32::MAX - 1)
    }
}

/// How well `member` fits a job, with its incarnation to break ties.
fn score(seed: u64, member: Incarnation) -> (u64, Incarnation) {
    let mut bytes = [0; 24];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..].copy_from_slice(&member.0.to_le_bytes());
    (hash(&bytes), member)
}

/// What tells one list of jobs from another: instances place jobs on those that have the same.
pub(crate) fn of_list<'a>(sorted: impl Iterator<Item = &'a JobName>) -> String {
    let listed = sorted.flat_map(|job| [job.as_str(), "\0"]).collect::<String>();
    format!("{:016x}", hash(listed.as_bytes()))
}

/// FNV-1a with a finisher: the same in every version of this program, which the standard
/// library's hasher does not promise.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    let mut hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(jobs: usize, crew: u128) -> (Vec<JobName>, Plan) {
        let jobs: Vec<_> = (0..jobs).map(|i| JobName::new(&format!("job-{i}")).unwrap()).collect();
        let plan = Plan::new(jobs.iter().map(Some), (1..=crew).map(|i| Incarnation(i << 90)).collect());
        (jobs, plan)
    }

    #[test]
    fn two_members_lead_one_of_two_jobs_each() {
        for seed in 0..100 {
            let jobs = [JobName::new("go_preacher").unwrap(), JobName::new("scala_preacher").unwrap()];
            let plan = Plan::new(jobs.iter().map(Some), vec![Incarnation(seed), Incarnation(seed + 7)]);
            assert_ne!(plan.owner(0), plan.owner(1));
        }
    }

    #[test]
    fn nobody_is_planned_two_jobs_more_than_another() {
        for (jobs, crew) in [(1000, 7), (4, 3), (2, 2), (2, 5), (9, 3)] {
            let plan = plan(jobs, crew).1;
            for member in plan.crew() {
                let share = (0..jobs).filter(|&i| plan.owner(i) == Some(*member)).count();
                let fair = jobs / plan.crew().len();
                assert!((fair..=fair + 1).contains(&share), "{share} of {jobs}");
            }
        }
    }

    #[test]
    fn a_member_that_leaves_moves_little_but_its_own_jobs() {
        let (jobs, before) = plan(1000, 10);
        let after = Plan::new(jobs.iter().map(Some), before.crew()[1..].to_vec());
        let moved = (0..jobs.len()).filter(|&i| before.owner(i) != after.owner(i)).count();
        assert!(moved < 300, "{moved} of 1000 jobs moved, 100 had to");
    }

    #[test]
    fn exactly_one_member_comes_first() {
        let (jobs, plan) = plan(50, 5);
        for (i, job) in jobs.iter().enumerate() {
            let mut ranks: Vec<_> = plan.crew().iter().map(|&member| plan.rank(i, job, member)).collect();
            ranks.sort_unstable();
            assert_eq!(ranks, [0, 1, 2, 3, 4]);
        }
    }

    #[test]
    fn what_is_nobodys_changes_nothing_for_the_others() {
        let (jobs, plan) = plan(30, 4);
        let gone = JobName::new("job-15-gone").unwrap();
        let mut listed: Vec<_> = jobs.iter().map(Some).collect();
        listed.insert(7, None);
        let other = Plan::new(listed.into_iter(), plan.crew().to_vec());
        assert_eq!(other.owner(7), None);
        let owners = |plan: &Plan, from: usize| (from..from + 7).map(|i| plan.owner(i)).collect::<Vec<_>>();
        assert_eq!(owners(&other, 0), owners(&plan, 0));
        assert_eq!(owners(&other, 8), owners(&plan, 7));
        assert_ne!(of_list(jobs.iter()), of_list(jobs.iter().chain([&gone])));
    }

    #[test]
    fn without_members_there_is_no_plan() {
        let (_, plan) = plan(3, 0);
        assert_eq!(plan.owner(0), None);
    }
}
