//! Who leads, what starts, and how a job is given away.

use super::Fate::Caught;
use super::{LEADING, SEAT, mutants};

mutants! {
    /// A row with the own name in it is taken for a claim of one's own.
    trusts_its_name_in_a_row: Caught, {
        LEADING: "self.seats[seat].names(live.me) =>"
            => "(self.seats[seat].names(live.me) || self.seats[seat].row.leader.as_deref() == Some(&self.about.name)) =>"
    }

    /// A job whose row has the own name in it is taken back, whoever it was.
    takes_back_by_name: Caught, {
        LEADING: "self.past.contains(&holder) ||"
            => "seat.row.leader.as_deref() == Some(&self.about.name) || self.past.contains(&holder) ||"
    }

    /// An answer that was overtaken by a newer one is believed.
    believes_the_last_to_arrive: Caught, {
        SEAT: "|known| version <= known" => "|known| version == known"
        LEADING: "if !seat.exceeds(&found) {" => "{"
    }

    /// A hand-over does not raise the term.
    gives_at_the_same_term: Caught, {
        SEAT: "if successor.is_some() { self.row.term.next() } else { self.row.term }" => "self.row.term"
    }

    /// A job is released while its work goes on.
    releases_before_the_work_ends: Caught, {
        LEADING: "if seat.work.is_some() {" => "if seat.work.is_some() && exit != Exit::Drain {"
    }

    /// A job is handed over while its work goes on.
    gives_before_the_work_ends: Caught, {
        LEADING: "if seat.work.is_some() {" => "if seat.work.is_some() && exit == Exit::Drain {"
    }

    /// A hand-over is announced when it is sent, so that whoever looks may find the row as it was.
    gives_notice_too_early: Caught, {
        LEADING: "        self.moved += u64::from(was_ours && !ours(seat));\n" => ""
        LEADING: "self.seats[index].surrendered = self.seats[index].version();"
            => "self.seats[index].surrendered = self.seats[index].version(); self.moved += 1;"
    }

    /// The holder leads on until it hears that its hand-over was taken.
    leads_until_given: Caught, {
        LEADING: "self.seats[index].surrendered = self.seats[index].version();" => ""
    }

    /// The holder leads again while its hand-over is in doubt.
    resumes_in_doubt: Caught, {
        LEADING: "self.seats[index].unsure = Some(now);"
            => "self.seats[index].unsure = Some(now); self.seats[index].surrendered = None;"
    }

    /// A process leads again while work of an earlier term goes on in it.
    leads_before_the_old_work_ends: Caught, {
        LEADING: "if let (Some(term), None) = (led, seat.work) {" => "if let Some(term) = led {"
    }

    /// An occurrence starts before it is recorded.
    starts_before_recording: Caught, {
        LEADING: "seat.launch = Some(Box::new(launch));\n                    return"
            => "let Launch { job, cursor, .. } = launch.clone(); out.push(Output::Grant { job, run: cursor.run, term: cursor.term }); seat.launch = Some(Box::new(launch)); return"
    }

    /// An occurrence that was recorded starts although the lease is over.
    starts_after_the_lease: Caught, {
        LEADING: "if let Some(launch) = seat.launch.take() {"
            => "if let Some(launch) = seat.launch.take_if(|_| false) {"
        LEADING: "match (led == Some(term), recorded, self.session.me())" => "match (true, recorded, self.session.me())"
    }

    /// What was due before the record starts again.
    starts_the_past: Caught, {
        LEADING: "seat.row.position() >= Some(launch.cursor.position())" => "false"
    }

    /// What was due at the record starts again.
    starts_the_same_again: Caught, {
        LEADING: "seat.row.position() >= Some(" => "seat.row.position() > Some("
    }

    /// A launch that was meant for an earlier term is recorded.
    starts_for_a_past_term: Caught, {
        LEADING: "self.term_led(index, now) == Some(launch.cursor.term)" => "self.term_led(index, now).is_some()"
    }
}
