//! What becomes of due times.

use super::Fate::Caught;
use super::{FILING, SEAT, mutants};

mutants! {
    /// An entry leaves its row when it is sent to the history.
    drops_before_filed: Caught, {
        FILING: "filing.under_way.push(entry.due);" => "filing.done.push(entry.due);"
    }

    /// An entry leaves its row although nobody knows whether it stands in the history.
    filed_in_doubt_counts: Caught, {
        FILING: "if outcome == Outcome::Unknown {" => "if false {"
    }

    /// An entry that is not filed at the first attempt is never filed.
    files_once: Caught, {
        FILING: "            filing.under_way.swap_remove(place);\n" => ""
    }

    /// The cursor passes due times without an account of them.
    moves_the_cursor_alone: Caught, {
        SEAT: "        row.ledger.extend(launch.entries.iter().cloned());\n" => ""
    }

    /// What became of due times is written again with every attempt to record it.
    writes_the_entry_alone: Caught, {
        SEAT: "        row.cursor = Some(launch.cursor.clone());\n" => ""
    }

    /// How a run ended is said in the cursor and in no entry.
    ends_without_an_entry: Caught, {
        SEAT: "            row.ledger.extend(end.entry.clone());\n" => ""
    }

    /// The row is written after the end of a run, and does not say that it ended.
    forgets_the_end_on_conflict: Caught, {
        SEAT: "ended.filter(|(run, _)| self.is_running(*run))" => "None"
    }
}
