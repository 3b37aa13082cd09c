//! Which instances there are, and how much each of them leads.

use std::fmt::{self, Display};

use serde::Serialize;

use super::table::{NOTHING, Printable, Table};
use crate::lease::View;
use crate::machine::Incarnation;
use crate::ports::wire;
use crate::report::Member;
use crate::rows::row_of_instance;
use crate::stores::{Kind, Query, Store, StoreError};

/// The columns of the table.
const COLUMNS: [&str; 6] = ["NODE", "LEADS", "STATE", "VERSION", "URL", "INCARNATION"];

/// Which instances there are: a table by `Display`, JSON by `Serialize`.
#[derive(Clone, Debug, Serialize)]
pub struct Nodes {
    /// The instances.
    pub nodes: Vec<Node>,
    /// Rows that cannot be understood, and why.
    pub problems: Vec<String>,
}

/// An instance.
#[derive(Clone, Debug, Serialize)]
pub struct Node {
    /// What it says of itself.
    #[serde(flatten)]
    pub member: Member,
    /// How many jobs it leads.
    pub leads: usize,
    /// A person has drained it.
    pub drained: bool,
}

/// Reads which instances there are in `store`.
pub async fn nodes(store: &dyn Store) -> Result<Nodes, StoreError> {
    let (keys, kinds) = (vec![wire::cluster_key()], vec![Kind::Member, Kind::Lease]);
    let query = Query { keys, kinds, ..Query::default() };
    let View { cluster, members, leases } = wire::view(store.read(query).await?);
    let holders: Vec<_> = leases.iter().filter_map(|(_, found)| found.row.as_ref().ok()?.holder).collect();
    let leads = |id: Incarnation| holders.iter().filter(|holder| **holder == id).count();
    let aside = cluster.and_then(|found| found.row.ok()).map(|row| row.drained).unwrap_or_default();
    let (mut nodes, mut problems) = (Vec::new(), Vec::new());
    for (id, found) in members {
        match found.row {
            Ok(row) => {
                let (member, drained) = (Member::new(id, &row), aside.contains(&id));
                nodes.push(Node { member, leads: leads(id), drained });
            }
            Err(why) => problems.push(format!("{}: {why}", row_of_instance(id))),
        }
    }
    nodes.sort_by(|one, other| one.member.name.cmp(&other.member.name));
    Ok(Nodes { nodes, problems })
}

impl Display for Nodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = vec![COLUMNS.map(str::to_owned)];
        lines.extend(self.nodes.iter().map(cells));
        write!(f, "{}", Table(lines))?;
        self.problems.iter().try_for_each(|problem| writeln!(f, "! {problem}"))
    }
}

fn cells(Node { member, leads, drained }: &Node) -> [String; 6] {
    let text = |text: &str| if text.is_empty() { NOTHING.to_owned() } else { Printable(text).to_string() };
    let state = match (drained, member.draining) {
        (true, _) => "draining",
        (false, true) => "leaving",
        (false, false) => "here",
    };
    [
        text(&member.name),
        leads.to_string(),
        state.to_owned(),
        text(&member.version),
        text(&member.url),
        member.incarnation.to_string(),
    ]
}
