//! Each transition of the lease machine as one log line.
//!
//! The names of the events are stable: people alert on them.

use crate::lease::{Ending, Note, Output};
use crate::machine::Incarnation;
use crate::stores::StoreError;

/// Who speaks.
#[derive(Clone, Debug)]
pub(super) struct Narrator {
    pub(super) node: String,
}

impl Narrator {
    pub(super) fn tell(&self, incarnation: Option<Incarnation>, output: &Output) {
        let node = self.node.as_str();
        let incarnation = incarnation.map(|id| id.to_string()).unwrap_or_default();
        let incarnation = incarnation.as_str();
        match output {
            Output::Lead { job, term, .. } => tracing::info!(
                event = "lease.acquired", %job, node, incarnation, term = term.0,
                "Starting {job} scheduler on node {node}"
            ),
            Output::Leave { job, term, why } => {
                let term = term.0;
                match why {
                    Ending::Lapsed => tracing::warn!(
                        event = "lease.lost", %job, node, term,
                        "Stopping {job} scheduler on node {node}: the lease could not be renewed in time"
                    ),
                    Ending::Lost => tracing::warn!(
                        event = "lease.lost", %job, node, term,
                        "Stopping {job} scheduler on node {node}: its row in the store names it no more"
                    ),
                    Ending::HandedOver(to) => tracing::info!(
                        event = "lease.handed_over", %job, node, incarnation, term, to,
                        "Stopping {job} scheduler on node {node}: handed over to {to}"
                    ),
                    Ending::Retired => tracing::info!(
                        event = "lease.released", %job, node, incarnation, term,
                        "Stopping {job} scheduler on node {node}: released, it is configured here no more"
                    ),
                    Ending::Released => tracing::info!(
                        event = "lease.released", %job, node, incarnation, term,
                        "Stopping {job} scheduler on node {node}: released, nobody else is there to lead it"
                    ),
                }
            }
            Output::Note(note) => self.note(note),
            Output::Stopped => {
                tracing::info!(
                    event = "lease.stopped",
                    node,
                    "Node {node} leads nothing and competes no more"
                );
            }
            Output::Ask { .. }
            | Output::Wake { .. }
            | Output::Wind { .. }
            | Output::Grant { .. }
            | Output::Refuse { .. }
            | Output::Orders { .. }
            | Output::Clock(_) => {}
        }
    }

    fn note(&self, note: &Note) {
        let node = self.node.as_str();
        match note {
            Note::Registered(id) => {
                tracing::info!(event = "instance.registered", node, incarnation = %id, "Node {node} competes for its jobs");
            }
            Note::Settling(wait) => tracing::info!(
                event = "store.settling",
                node,
                "The store is new: nobody leads for {wait:?}, until leaders of a lost store would have given up"
            ),
            Note::Lapsed(id) => tracing::warn!(
                event = "instance.lapsed", node, incarnation = %id,
                "Node {node} could not renew its leases in time; it leads nothing and competes again"
            ),
            Note::Reaped(name) => tracing::warn!(
                event = "instance.vanished",
                node,
                vanished = name,
                "Node {name} stopped its heartbeat and was removed; its jobs are free"
            ),
            Note::Skewed(ahead) => tracing::warn!(
                event = "clock.differs",
                node,
                ahead_ns = ahead,
                "The wall clock of node {node} differs from that of the eldest instance; due times go by the eldest's"
            ),
            Note::Drained => tracing::info!(
                event = "instance.drained",
                node,
                "Node {node} was drained: it gives up what it leads, and leads nothing until it is undrained"
            ),
            Note::Undrained => {
                tracing::info!(event = "instance.undrained", node, "Node {node} takes part again");
            }
            Note::Idle { job, leader } => tracing::info!(
                event = "lease.idle", %job, node, leader,
                "Idle: Node {node} could not become leader for job {job}, which {leader} leads"
            ),
            Note::Illegible { row, why } => {
                tracing::error!(event = "row.illegible", node, row, "Left alone {row}: {why}");
            }
            Note::Regressed { what, rebuilding: true } => tracing::warn!(
                event = "store.regressed",
                node,
                "The store lost data ({what}); node {node} leads nothing until it is rebuilt"
            ),
            Note::Regressed { what, rebuilding: false } => tracing::error!(
                event = "store.regressed",
                node,
                "The store shows less than it did before ({what}), as after a restored backup or a deleted file. \
                 Node {node} leads nothing more: restore the store, then restart every instance"
            ),
            Note::Unwilling { job, to } => tracing::warn!(
                event = "wish.declined", %job, node, to = %to,
                "Job {job} stays on node {node}: the instance that was asked for cannot take it"
            ),
        }
    }

    /// The store began or ceased to answer.
    pub(super) fn health(&self, before: Option<&StoreError>, now: Option<&StoreError>) {
        let node = self.node.as_str();
        match (before, now) {
            (None, Some(error)) => tracing::warn!(
                event = "store.unreachable",
                node,
                "The store does not answer node {node}: {error}"
            ),
            (Some(_), None) => {
                tracing::info!(event = "store.recovered", node, "The store answers node {node} again");
            }
            _ => {}
        }
    }
}
