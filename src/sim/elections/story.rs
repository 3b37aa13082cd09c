//! How a world is told.

use crate::elections::{NodeId, Note, View};

/// What a node shows.
pub(super) fn described(view: &View) -> String {
    let name = |node: Option<NodeId>| node.map_or_else(|| "nobody".to_owned(), |node| node.to_string());
    let deputy = view.deputy.map_or_else(String::new, |deputy| format!(", deputy {deputy}"));
    let group = if view.group == "0" { String::new() } else { format!(", group {}", view.group) };
    format!("{} is {}, coordinator {}{deputy}{group}", view.node, view.status, name(view.coordinator))
}

/// What a node notes.
pub(super) fn words(note: Note) -> String {
    match note {
        Note::Started(incarnation) => format!("starts, for the {incarnation}. time"),
        Note::Suspects(node) => format!("suspects {node}"),
        Note::Holds => "holds an election".to_owned(),
        Note::Yields(node) => format!("leaves it to {node}"),
        Note::Leads => "is coordinator".to_owned(),
        Note::Follows(node) => format!("follows {node}"),
    }
}
