//! Worlds that once broke something: kept, so that they are visited at every run.

use tenure::sim::{self, Profile};

use crate::tidy::read;

/// A world of `corpus.txt`, and what broke it: a mutant, or an article of the law.
#[derive(Debug)]
pub(crate) struct Kept {
    profile: &'static Profile,
    pub(crate) seed: u64,
    broke: String,
}

/// All of them.
fn corpus() -> Vec<Kept> {
    let text = read("tests/it/sim/corpus.txt");
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let kept = |line: &str| {
        let [profile, seed, broke] = line.splitn(3, ' ').collect::<Vec<_>>().try_into().ok()?;
        let (profile, seed) = (Profile::named(profile)?, seed.parse().ok()?);
        Some(Kept { profile, seed, broke: broke.to_owned() })
    };
    lines.map(|line| kept(line).unwrap_or_else(|| panic!("not a world: {line}"))).collect()
}

/// The world that catches a mutant.
pub(crate) fn catcher(mutant: &str) -> Option<Kept> {
    corpus().into_iter().find(|kept| kept.broke == mutant)
}

/// The mutants of which a catcher is kept.
pub(crate) fn mutants() -> impl Iterator<Item = String> {
    corpus().into_iter().filter(|kept| kept.profile.outside.is_none()).map(|kept| kept.broke)
}

#[test]
fn what_broke_once_holds_or_is_said_not_to() {
    for Kept { profile, seed, broke } in corpus() {
        let violation = sim::run_seed(profile, seed).violation;
        assert!(violation.is_none(), "{} {broke}: {}", profile.name, violation.unwrap());
        if profile.outside.is_some() {
            let told =
                sim::tell(profile, seed).unwrap_or_else(|| panic!("{} {seed} breaks nothing", profile.name));
            assert_eq!(told.article.says(), broke, "{} {seed}", profile.name);
        }
    }
}
