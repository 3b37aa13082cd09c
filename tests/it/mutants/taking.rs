//! When a rival may take a job.

use super::Fate::{Caught, Survives, Tested};
use super::{LEADING, LIVING, MEMBERS, SEAT, mutants};

mutants! {
    /// A rival waits for half of the time-to-live.
    waits_half: Caught, {
        MEMBERS: "self.looked.since(member.since) >= member.ttl()"
            => "self.looked.since(member.since) >= member.ttl() / 2"
    }

    /// A rival counts a silence from the sending of the read that first showed the row.
    silence_begins_before_the_read: Caught, {
        MEMBERS: "let since = now.back(" => "let since = sent.back("
    }

    /// A rival counts a silence to the arrival of an answer, which may be late.
    silence_ends_with_the_answer: Survives("A heartbeat that the answer missed makes the deletion fail, and nothing is taken before that."), {
        MEMBERS: "overdue(&self)" => "overdue(&self, now: Instant)"
        MEMBERS: "self.looked.since(member.since) >= member.ttl()" => "now.since(member.since) >= member.ttl()"
        LIVING: "self.members.overdue()" => "self.members.overdue(now)"
    }

    /// A silent member's jobs are taken while its row still stands.
    takes_without_reaping: Caught, {
        MEMBERS: "!self.seen.contains_key(&id)\n" => "self.seen.get(&id).is_none_or(|member| member.reaping)\n"
    }

    /// A job is judged free by members that were read before its row.
    members_before_leases: Caught, {
        MEMBERS: "            && (self.looked > moment || self.reaped.iter().any(|&(gone, sent)| gone == id && sent > moment))\n"
            => ""
    }

    /// A job is judged free by members, and a store by its row, that were read together with the job's row.
    members_with_leases: Caught, {
        LEADING: "let (Some((_, learned)), holder) = (seat.known, seat.row.holder) else { return false };"
            => "let (Some((_, learned)), holder) = (seat.known, seat.row.holder) else { return false }; let learned = learned.back(self.timing.request);"
    }

    /// Both: a late answer ends a silence, and its end suffices to take.
    silence_ends_late_and_suffices: Caught, {
        MEMBERS: "!self.seen.contains_key(&id)\n" => "self.seen.get(&id).is_none_or(|member| member.reaping)\n"
        MEMBERS: "overdue(&self)" => "overdue(&self, now: Instant)"
        MEMBERS: "self.looked.since(member.since) >= member.ttl()" => "now.since(member.since) >= member.ttl()"
        LIVING: "self.members.overdue()" => "self.members.overdue(now)"
    }

    /// A rival takes a job without asking whether its holder lives.
    takes_what_is_led: Caught, {
        LEADING: "holder.is_none_or(over)" => "true"
    }

    /// A claim that was refused is repeated over whatever the row shows by then.
    claims_blindly: Caught, {
        SEAT: "        self.free = None;\n        match row" => "        match row"
        LEADING: "|| !self.is_free(index)" => "|| (self.seats[index].free.is_none() && !self.is_free(index))"
    }

    /// A claim does not raise the term.
    takes_at_the_same_term: Caught, {
        SEAT: "term: self.row.term.next()," => "term: self.row.term,"
    }

    /// A claim of which nobody knows the outcome is taken for a success.
    claim_in_doubt_counts: Caught, {
        LEADING: "self.seats[index].unsure = Some(now);"
            => "self.seats[index].unsure = Some(now); self.seats[index].row = writing.row;"
    }

    /// The age of an older heartbeat, in an answer that was overtaken, is taken for that of a newer one.
    age_of_an_older_heartbeat: Tested("lease::members::tests::an_answer_that_shows_an_older_heartbeat_ages_nobody"), {
        MEMBERS: "                Some(known) if found.version < known.version => known,\n" => ""
        MEMBERS: "Some(mut known) if found.version == known.version => {"
            => "Some(mut known) if found.version <= known.version => {"
    }
}
