//! The holes that lease protocols are known to have, each as an edit that opens it in this one.

use super::{Edit, Mutant};

const LEADING: &str = "src/lease/leading.rs";
const LIVING: &str = "src/lease/living.rs";
const MACHINE: &str = "src/lease.rs";
const MEMBERS: &str = "src/lease/members.rs";
const SEAT: &str = "src/lease/seat.rs";
const SESSION: &str = "src/lease/session.rs";
const TIMING: &str = "src/lease/timing.rs";

pub(crate) const MUTANTS: &[Mutant] = &[
    // How long a lease holds.
    Mutant {
        name: "counts_from_the_answer",
        hole: "The holder counts its lease from the answer to a heartbeat, not from its sending.",
        edits: &[Edit(SESSION, "max(sent + timing.trust())", "max(now + timing.trust())")],
        survives: None,
    },
    Mutant {
        name: "registered_from_the_answer",
        hole: "The holder counts its first lease from the answer to its registration, not from its sending.",
        edits: &[Edit(SESSION, "horizon: sent + timing.trust()", "horizon: now + timing.trust()")],
        survives: None,
    },
    Mutant {
        name: "counts_from_another_heartbeat",
        hole: "A heartbeat found by reading moves the lease as if the newest one had been found.",
        edits: &[Edit(
            SESSION,
            "find(|(number, _)| *number == beat)",
            "rfind(|(number, _)| *number >= beat)",
        )],
        survives: None,
    },
    Mutant {
        name: "no_margin",
        hole: "The holder leaves no margin for clocks that run at different rates.",
        edits: &[Edit(TIMING, "self.ttl.saturating_sub(self.margin)", "self.ttl")],
        survives: None,
    },
    Mutant {
        name: "scant_margin",
        hole: "The margin is less than what the clocks may differ by.",
        edits: &[Edit(TIMING, "margin: ttl / 10", "margin: ttl / 11")],
        survives: None,
    },
    Mutant {
        name: "heartbeat_in_doubt_counts",
        hole: "A heartbeat of which nobody knows the outcome is taken for a success.",
        edits: &[Edit(
            LIVING,
            "live.doubt(now);",
            "live.confirm(beat, live.version, now, &self.timing); live.doubt(now);",
        )],
        survives: None,
    },
    Mutant {
        name: "late_answer_revives",
        hole: "An answer that comes after the lease has lapsed revives it.",
        edits: &[Edit(
            MACHINE,
            "        // Time first: an answer that comes after the horizon finds the incarnation over.\n        self.live_on(now, out);\n",
            "",
        )],
        survives: None,
    },
    Mutant {
        name: "idle_life_goes_on",
        hole: "A life that leads nothing outlives its horizon.",
        edits: &[
            Edit(
                LIVING,
                "if now >= live.horizon =>",
                "if now >= live.horizon && self.seats.iter().any(|seat| seat.names(live.me)) =>",
            ),
            Edit(
                MACHINE,
                "live.deadline().min(look)",
                "(if self.seats.iter().any(|seat| seat.names(live.me)) { live.deadline() } else if live.beating || live.unsure.is_some() { Instant::NEVER } else { live.beat_at }).min(look)",
            ),
        ],
        survives: Some(""),
    },
    Mutant {
        name: "past_life_taken_up_again",
        hole: "A life that is over is registered again.",
        edits: &[Edit(
            LIVING,
            "let me = Incarnation(self.random.u128(1..));",
            "let me = self.past.pop().unwrap_or_else(|| Incarnation(self.random.u128(1..)));",
        )],
        survives: None,
    },
    Mutant {
        name: "registration_sent_twice",
        hole: "A registration in doubt is sent again for the same life.",
        edits: &[
            Edit(
                LIVING,
                "let me = Incarnation(self.random.u128(1..));",
                "let me = match self.session { Session::Registering { me, .. } => me, _ => Incarnation(self.random.u128(1..)) };",
            ),
            Edit(
                LIVING,
                "        self.bury(me);\n        self.session = Session::Meeting;\n",
                "        self.session = Session::Registering { me, sent: now };\n",
            ),
            Edit(
                LIVING,
                "if matches!(self.session, Session::Meeting)",
                "if matches!(self.session, Session::Meeting | Session::Registering { .. })",
            ),
        ],
        survives: None,
    },
    // When a rival may take a job.
    Mutant {
        name: "waits_half",
        hole: "A rival waits for half of the time-to-live.",
        edits: &[Edit(
            MEMBERS,
            "self.looked.since(member.since) >= member.ttl()",
            "self.looked.since(member.since) >= member.ttl() / 2",
        )],
        survives: None,
    },
    Mutant {
        name: "silence_begins_before_the_read",
        hole: "A rival counts a silence from the sending of the read that first showed the row.",
        edits: &[Edit(MEMBERS, "let since = now.back(", "let since = sent.back(")],
        survives: None,
    },
    Mutant {
        name: "silence_ends_with_the_answer",
        hole: "A rival counts a silence to the arrival of an answer, which may be late.",
        edits: &[
            Edit(MEMBERS, "overdue(&self)", "overdue(&self, now: Instant)"),
            Edit(
                MEMBERS,
                "self.looked.since(member.since) >= member.ttl()",
                "now.since(member.since) >= member.ttl()",
            ),
            Edit(LIVING, "self.members.overdue()", "self.members.overdue(now)"),
        ],
        survives: None,
    },
    Mutant {
        name: "takes_without_reaping",
        hole: "A silent member's jobs are taken while its row still stands.",
        edits: &[Edit(
            MEMBERS,
            "        !self.seen.contains_key(&id)\n            &&",
            "        let silent = |member: &Sighting| self.looked.since(member.since) >= member.ttl();\n        self.seen.get(&id).is_none_or(silent)\n            &&",
        )],
        survives: None,
    },
    Mutant {
        name: "members_before_leases",
        hole: "A job is judged free by members that were read before its row.",
        edits: &[Edit(
            MEMBERS,
            "            && (self.looked > moment || self.reaped.iter().any(|&(gone, sent)| gone == id && sent > moment))\n",
            "",
        )],
        survives: None,
    },
    Mutant {
        name: "takes_what_is_led",
        hole: "A rival takes a job without asking whether its holder lives.",
        edits: &[Edit(LEADING, "holder.is_none_or(over)", "true")],
        survives: None,
    },
    Mutant {
        name: "claims_blindly",
        hole: "A claim that was refused is repeated over whatever the row shows by then.",
        edits: &[
            Edit(SEAT, "        self.free = None;\n        match row", "        match row"),
            Edit(
                LEADING,
                "|| !self.is_free(index)",
                "|| (self.seats[index].free.is_none() && !self.is_free(index))",
            ),
        ],
        survives: None,
    },
    Mutant {
        name: "takes_at_the_same_term",
        hole: "A claim does not raise the term.",
        edits: &[Edit(SEAT, "term: self.row.term.next(),", "term: self.row.term,")],
        survives: None,
    },
    Mutant {
        name: "gives_at_the_same_term",
        hole: "A hand-over does not raise the term.",
        edits: &[Edit(
            SEAT,
            "if successor.is_some() { self.row.term.next() } else { self.row.term }",
            "self.row.term",
        )],
        survives: None,
    },
    Mutant {
        name: "claim_in_doubt_counts",
        hole: "A claim of which nobody knows the outcome is taken for a success.",
        edits: &[Edit(
            LEADING,
            "self.seats[index].unsure = Some(now);",
            "self.seats[index].unsure = Some(now); self.seats[index].row = writing.row;",
        )],
        survives: None,
    },
    // Who is who.
    Mutant {
        name: "trusts_its_name_in_a_row",
        hole: "A row with the own name in it is taken for a claim of one's own.",
        edits: &[Edit(
            LEADING,
            "self.seats[seat].names(live.me) =>",
            "(self.seats[seat].names(live.me) || self.seats[seat].row.leader.as_deref() == Some(&self.about.name)) =>",
        )],
        survives: None,
    },
    // Giving a job away.
    Mutant {
        name: "releases_before_the_work_ends",
        hole: "A job is released while its work goes on.",
        edits: &[Edit(
            LEADING,
            "if seat.work.is_some() {",
            "if seat.work.is_some() && exit != Exit::Drain {",
        )],
        survives: None,
    },
    Mutant {
        name: "gives_before_the_work_ends",
        hole: "A job is handed over while its work goes on.",
        edits: &[Edit(
            LEADING,
            "if seat.work.is_some() {",
            "if seat.work.is_some() && exit == Exit::Drain {",
        )],
        survives: None,
    },
    Mutant {
        name: "leads_until_given",
        hole: "The holder leads on until it hears that its hand-over was taken.",
        edits: &[Edit(LEADING, "        self.seats[index].surrendered = self.seats[index].version();\n", "")],
        survives: None,
    },
    Mutant {
        name: "resumes_in_doubt",
        hole: "The holder leads again while its hand-over is in doubt.",
        edits: &[Edit(
            LEADING,
            "self.seats[index].unsure = Some(now);",
            "self.seats[index].unsure = Some(now); self.seats[index].surrendered = None;",
        )],
        survives: None,
    },
    Mutant {
        name: "believes_the_last_to_arrive",
        hole: "An answer that was overtaken by a newer one is believed.",
        edits: &[
            Edit(SEAT, "|known| version <= known", "|known| version == known"),
            Edit(LEADING, "if !seat.exceeds(&found) {", "{"),
        ],
        survives: None,
    },
    // What runs.
    Mutant {
        name: "starts_before_recording",
        hole: "An occurrence starts before it is recorded.",
        edits: &[Edit(
            LEADING,
            "                    seat.launch = Some(launch);\n                    return",
            "                    out.push(Output::Grant { job: launch.job.clone(), run: launch.run, term: launch.term });\n                    seat.launch = Some(launch);\n                    return",
        )],
        survives: None,
    },
    Mutant {
        name: "starts_after_the_lease",
        hole: "An occurrence that was recorded starts although the lease is over.",
        edits: &[
            Edit(
                LEADING,
                "if let Some(launch) = seat.launch.take() {",
                "if let Some(launch) = seat.launch.take_if(|_| false) {",
            ),
            Edit(
                LEADING,
                "match (led == Some(launch.term), recorded, self.session.me())",
                "match (true, recorded, self.session.me())",
            ),
        ],
        survives: None,
    },
    Mutant {
        name: "starts_the_past",
        hole: "What was due before the record starts again.",
        edits: &[Edit(LEADING, "cursor.due >= launch.due", "false")],
        survives: None,
    },
    Mutant {
        name: "starts_the_same_again",
        hole: "What was due at the record starts again.",
        edits: &[Edit(LEADING, "cursor.due >= launch.due", "cursor.due > launch.due")],
        survives: None,
    },
    Mutant {
        name: "starts_for_a_past_term",
        hole: "A launch that was meant for an earlier term is recorded.",
        edits: &[Edit(
            LEADING,
            "self.term_led(index, now) == Some(launch.term)",
            "self.term_led(index, now).is_some()",
        )],
        survives: None,
    },
    // When the store loses its rows.
    Mutant {
        name: "lost_store_is_new",
        hole: "A store that lost everything is taken for a new one.",
        edits: &[
            Edit(
                LIVING,
                "            (None, Some(_)) => self.regress(now, \"the row of the cluster is gone\", out),\n            (None, None) =>",
                "            (None, _) =>",
            ),
            Edit(LIVING, "if row.id != id => {", "if false => {"),
            Edit(
                SEAT,
                "self.known.is_some_and(|(_, learned)| sent > learned) && self.exceeds(found)",
                "false",
            ),
        ],
        survives: None,
    },
    Mutant {
        name: "absent_is_free",
        hole: "In a store that is new, or was lost, nobody waits for leaders that there may be.",
        edits: &[Edit(LEADING, "self.draining || self.settling.is_some()", "self.draining")],
        survives: None,
    },
    Mutant {
        name: "restored_is_free",
        hole: "A row that others may have restored is taken without asking whether a store was lost.",
        edits: &[Edit(LEADING, "return self.is_same_store_since(learned);", "return true;")],
        survives: None,
    },
    Mutant {
        name: "older_row_is_believed",
        hole: "A row that is older than it was is believed.",
        edits: &[
            Edit(
                SEAT,
                "self.known.is_some_and(|(_, learned)| sent > learned) && self.exceeds(found)",
                "false",
            ),
            Edit(
                SEAT,
                "found.version < known || (found.version > known && found.row.as_ref().is_ok_and(fallen))",
                "found.version < known",
            ),
        ],
        survives: None,
    },
    Mutant {
        name: "loses_terms",
        hole: "A store that was lost is not given back the terms that it held.",
        edits: &[
            Edit(SEAT, "(fallen || behind).then(", "behind.then("),
            Edit(SEAT, "term: if !fallen {", "term: if true {"),
        ],
        survives: None,
    },
    Mutant {
        name: "waits_half_after_a_loss",
        hole: "After a loss everybody waits for half of the time-to-live.",
        edits: &[Edit(
            LIVING,
            "self.settling = Some(now + self.timing.ttl);",
            "self.settling = Some(now + self.timing.ttl / 2);",
        )],
        survives: None,
    },
    Mutant {
        name: "leads_before_the_old_work_ends",
        hole: "A process leads again while work of an earlier term goes on in it.",
        edits: &[Edit(
            LEADING,
            "if let (Some(term), None) = (led, seat.work) {",
            "if let Some(term) = led {",
        )],
        survives: None,
    },
    Mutant {
        name: "age_of_an_older_heartbeat",
        hole: "The age of an older heartbeat, in an answer that was overtaken, is taken for that of a newer one.",
        edits: &[
            Edit(MEMBERS, "                Some(known) if found.version < known.version => known,\n", ""),
            Edit(
                MEMBERS,
                "Some(mut known) if found.version == known.version => {",
                "Some(mut known) if found.version <= known.version => {",
            ),
        ],
        survives: None,
    },
    Mutant {
        name: "loses_cursors",
        hole: "A store that was lost is not given back the occurrences that it had recorded.",
        edits: &[
            Edit(SEAT, "(fallen || behind).then(", "fallen.then("),
            Edit(SEAT, "cursor: if behind { lost", "cursor: if false { lost"),
        ],
        survives: None,
    },
];
