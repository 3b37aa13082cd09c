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

    /// The cursor moves without the entries for the due times that it passes.
    moves_the_cursor_alone: Caught, {
        SEAT: "        row.ledger.extend(launch.entries.iter().cloned());\n" => ""
    }

    /// The entries are written without the cursor that passes their due times.
    writes_the_entry_alone: Caught, {
        SEAT: "        row.cursor = Some(launch.cursor.clone());\n" => ""
    }

    /// How a run ended is said in the cursor and in no entry.
    ends_without_an_entry: Caught, {
        SEAT: "            row.ledger.extend(end.entry.clone());\n" => ""
    }

    /// How a run ended is forgotten when another write of its row comes first.
    forgets_how_a_run_ended: Caught, {
        SEAT: "self.ended = ended.filter(|ended| self.is_running(ended.0));" => "self.ended = None;"
    }
}
