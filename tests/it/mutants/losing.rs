//! When the store loses its rows.

use super::Fate::{Caught, Tested};
use super::{LEADING, LIVING, RECALL, SEAT, mutants};

mutants! {
    /// A store that lost everything is taken for a new one.
    lost_store_is_new: Caught, {
        LIVING: "            (None, Some(_)) => self.regress(now, \"the row of the cluster is gone\", out),\n            (None, None) =>"
            => "            (None, _) =>"
        LIVING: "if row.id != id => {" => "if false => {"
        SEAT: "self.known.is_some_and(|(_, learned)| sent > learned) && self.exceeds(found)" => "false"
    }

    /// In a store that is new, or was lost, nobody waits for leaders that there may be.
    absent_is_free: Caught, {
        LEADING: "self.gives_up() || self.settling.is_some()" => "self.gives_up()"
    }

    /// A row that others may have restored is taken without asking whether a store was lost.
    restored_is_free: Caught, {
        LEADING: "return self.is_same_store_since(learned);" => "return true;"
    }

    /// A store with another cluster's row is taken for the one that was met.
    another_store_is_the_same: Caught, {
        LIVING: "if row.id != id => {" => "if false => {"
    }

    /// A row that is older than it was is believed.
    older_row_is_believed: Caught, {
        SEAT: "self.known.is_some_and(|(_, learned)| sent > learned) && self.exceeds(found)" => "false"
        SEAT: "found.version < known || found.row.as_ref().is_ok_and(fallen)" => "found.version < known"
    }

    /// A store that was lost is not given back the terms that it held.
    loses_terms: Caught, {
        RECALL: "row.term < lost.term || progress(row)" => "progress(row)"
        RECALL: "if row.holder.is_some() { newest.next() } else { newest }" => "row.term"
    }

    /// A store that was lost is not given back the occurrences that it had recorded.
    loses_cursors: Caught, {
        RECALL: "row.term < lost.term || progress(row) < progress(lost)" => "row.term < lost.term"
        RECALL: "if progress(row) >= progress(lost) {" => "if true {"
    }

    /// A store that was lost is not given back what became of the due times.
    loses_entries: Tested("lease::seat::tests::a_lost_store_is_given_back_what_became_of_due_times"), {
        RECALL: "lost.ledger.iter().cloned().chain(begun)" => "begun"
    }

    /// What the lost store held replaces what its successor says by now.
    restoring_drops_what_stands: Caught, {
        RECALL: "(lost.cursor.clone(), recalled.ledger)" => "(lost.cursor.clone(), Vec::<crate::rows::Entry>::new())"
    }

    /// What began meanwhile, and is overtaken by what the lost store held, gets no account.
    restoring_drops_what_began: Caught, {
        RECALL: "lost.ledger.iter().cloned().chain(begun)" => "lost.ledger.iter().cloned()"
    }

    /// Who began to lead in the rebuilt store goes on at a term of the lost one.
    restores_the_same_term: Caught, {
        RECALL: "if row.holder.is_some() { newest.next() } else { newest }" => "newest"
    }

    /// Whoever remembers more than the row of the rebuilt store leads by it.
    leads_by_a_row_that_lacks: Caught, {
        SEAT: "            && !self.lost.as_ref().is_some_and(|lost| lacks(&self.row, lost))\n" => ""
    }

    /// What stood in the lost history is not filed in its successor.
    forgets_no_filed_entry: Caught, {
        SEAT: "        self.filing.forget();\n" => ""
    }

    /// After a loss everybody waits for half of the time-to-live.
    waits_half_after_a_loss: Caught, {
        LIVING: "self.settling = Some(now + self.timing.ttl);"
            => "self.settling = Some(now + self.timing.ttl / 2);"
    }

    /// Whoever sees a second store lost forgets what only the first one held.
    second_loss_forgets_the_first: Caught, {
        SEAT: "let all = self.restore().unwrap_or_else(|| self.row.clone());" => "let all = self.row.clone();"
    }
}
