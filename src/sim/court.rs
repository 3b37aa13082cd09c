//! Who is told of what must not happen, and knows what a world is excused for.

use std::cell::Cell;

/// What was broken, if anything.
pub(super) type Verdict = Result<(), Breach>;

/// An article of the law.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Article {
    /// No two instances lead one job, or work for it, at one moment of true time.
    OneLeader,
    /// Whoever begins to lead does so at a higher term than anybody before.
    TermsRise,
    /// The term in a lease row never falls, and has one holder.
    RowsRise,
    /// No attempt at a due time starts twice.
    Once,
    /// Nothing starts after what was due later has started.
    InOrder,
    /// Nothing starts that no row records.
    Recorded,
    /// Every due time has exactly one account.
    OneAccount,
    /// Nothing starts while its job is paused.
    Orders,
    /// What a leader has marked with its term takes no write from anybody else until a higher term.
    Fenced,
    /// Nobody leads in another store than the one that it met.
    SameStore,
    /// After a calm every job has one leader, its past is filed, and whoever was to stop has stopped.
    Recovery,
    /// The machine keeps its word to whoever drives it, and asks for little.
    Manners,
}

/// An article that was broken, and how.
#[derive(Clone, Debug)]
pub(super) struct Breach {
    pub(super) article: Article,
    pub(super) what: String,
}

/// The court of one world.
#[derive(Debug)]
pub(super) struct Court {
    excused: &'static [Article],
    /// How often each article was broken where that is excused.
    counts: [Cell<u64>; Article::ALL.len()],
}

impl Article {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::OneLeader,
        Self::TermsRise,
        Self::RowsRise,
        Self::Once,
        Self::InOrder,
        Self::Recorded,
        Self::OneAccount,
        Self::Orders,
        Self::Fenced,
        Self::SameStore,
        Self::Recovery,
        Self::Manners,
    ];

    /// What it says, in few words.
    pub const fn says(self) -> &'static str {
        match self {
            Self::OneLeader => "one leader",
            Self::TermsRise => "terms rise from leader to leader",
            Self::RowsRise => "terms rise in the row",
            Self::Once => "nothing starts twice",
            Self::InOrder => "nothing starts after what was due later",
            Self::Recorded => "nothing starts unrecorded",
            Self::OneAccount => "one account of each due time",
            Self::Orders => "nothing starts while paused",
            Self::Fenced => "fenced writes",
            Self::SameStore => "nobody leads in a strange store",
            Self::Recovery => "all is well after a calm",
            Self::Manners => "the machine keeps its manners",
        }
    }

    /// Its place among all.
    pub(super) fn place(self) -> usize {
        Self::ALL.iter().position(|article| *article == self).unwrap_or_default()
    }
}

impl Court {
    pub(super) fn new(excused: &'static [Article]) -> Self {
        Self { excused, counts: Default::default() }
    }

    /// A breach of `article`, unless it `holds` or this world is excused.
    pub(super) fn require(
        &self,
        article: Article,
        holds: bool,
        otherwise: impl FnOnce() -> String,
    ) -> Verdict {
        if holds {
            return Ok(());
        }
        if self.excused.contains(&article) {
            let count = &self.counts[article.place()];
            count.set(count.get() + 1);
            return Ok(());
        }
        Err(Breach { article, what: otherwise() })
    }

    /// How often each article was broken and excused.
    pub(super) fn excused(&self) -> [u64; Article::ALL.len()] {
        self.counts.each_ref().map(Cell::get)
    }
}
