//! How long a lease holds.

use super::Fate::{Caught, Survives, Tested};
use super::{LIVING, MACHINE, SESSION, TIMING, mutants};

mutants! {
    /// The holder counts its lease from the answer to a heartbeat, not from its sending.
    counts_from_the_answer: Caught, {
        SESSION: "max(sent + timing.trust())" => "max(now + timing.trust())"
    }

    /// The holder counts its first lease from the answer to its registration, not from its sending.
    registered_from_the_answer: Caught, {
        SESSION: "horizon: sent + timing.trust()" => "horizon: now + timing.trust()"
    }

    /// A heartbeat found by reading moves the lease as if the newest one had been found.
    counts_from_another_heartbeat: Tested("lease::session::tests::a_heartbeat_that_is_found_counts_from_when_that_one_left"), {
        SESSION: "find(|(number, _)| *number == beat)" => "rfind(|(number, _)| *number >= beat)"
    }

    /// The holder leaves no margin for clocks that run at different rates.
    no_margin: Caught, {
        TIMING: "self.ttl.saturating_sub(self.margin)" => "self.ttl"
    }

    /// The margin is less than what the clocks may differ by.
    scant_margin: Caught, {
        TIMING: "margin: ttl / 10" => "margin: ttl / 11"
    }

    /// A heartbeat of which nobody knows the outcome is taken for a success.
    heartbeat_in_doubt_counts: Caught, {
        LIVING: "live.doubt(now);" => "live.confirm(beat, live.version, now, &self.timing); live.doubt(now);"
    }

    /// An answer that comes after the lease has lapsed revives it.
    late_answer_revives: Caught, {
        MACHINE: "        // Time first: an answer that comes after the horizon finds the incarnation over.\n        self.live_on(now, out);\n"
            => ""
    }

    /// A life that leads nothing outlives its horizon.
    idle_life_goes_on: Survives("Without a confirmed heartbeat it leads nothing, and none is confirmed once its row is gone."), {
        LIVING: "if now >= live.horizon =>"
            => "if now >= live.horizon && self.seats.iter().any(|seat| seat.names(live.me)) =>"
        MACHINE: "live.deadline().min(look)"
            => "(if self.seats.iter().any(|seat| seat.names(live.me)) { live.deadline() } else if live.beating || live.unsure.is_some() { Instant::NEVER } else { live.beat_at }).min(look)"
    }

    /// A heartbeat inserts the member row again where it is gone.
    heartbeat_inserts: Caught, {
        SESSION: "_ => !current," => "_ => { self.version = Version::ABSENT; true }"
    }

    /// A life that is over is registered again.
    past_life_taken_up_again: Caught, {
        LIVING: "let me = Incarnation(self.random.u128(1..));"
            => "let me = self.past.pop().unwrap_or_else(|| Incarnation(self.random.u128(1..)));"
    }

    /// A registration in doubt is sent again for the same life.
    registration_sent_twice: Caught, {
        LIVING: "let me = Incarnation(self.random.u128(1..));"
            => "let me = match self.session { Session::Registering { me, .. } => me, _ => Incarnation(self.random.u128(1..)) };"
        LIVING: "        self.bury(me);\n        self.session = Session::Meeting;\n"
            => "        self.session = Session::Registering { me, sent: now };\n"
        LIVING: "if matches!(self.session, Session::Meeting)"
            => "if matches!(self.session, Session::Meeting | Session::Registering { .. })"
    }
}
