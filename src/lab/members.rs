//! The members of a laboratory: who is in it, where, and in which order.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;

use super::LabError;
use crate::elections::NodeId;

/// Most nodes of one laboratory: each of them dials all others.
const MOST_MEMBERS: usize = 32;
/// Longest name of a node.
const LONGEST_NAME: usize = 40;

/// One node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// For people.
    pub name: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// What a ring compares.
    pub value: u64,
}

/// All nodes. Their order is their ids: their priority, or their way round the ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Members(Vec<Member>);

/// The file as TOML.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    node: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: Option<String>,
    id: Option<u16>,
    address: SocketAddr,
    value: Option<u64>,
}

impl Members {
    /// Reads the file.
    pub fn load(path: &Path) -> Result<Self, LabError> {
        let problem = |why| LabError::Members { path: path.to_owned(), why };
        let text = std::fs::read_to_string(path).map_err(|error| problem(error.to_string()))?;
        Self::parse(&text).map_err(problem)
    }

    /// Reads an `ip:port` a line, or tables called `node`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let lines = || text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
        let is_toml = lines().find(|line| !line.is_empty()).is_some_and(|line| line.starts_with("[["));
        let entries = if is_toml {
            toml::from_str::<File>(text).map_err(|error| error.to_string())?.node
        } else {
            let lines = (1..).zip(lines()).filter(|(_, line)| !line.is_empty());
            lines.map(|(number, line)| Entry::of_line(number, line)).collect::<Result<_, _>>()?
        };
        Self::of(entries)
    }

    fn of(entries: Vec<Entry>) -> Result<Self, String> {
        if !(1..=MOST_MEMBERS).contains(&entries.len()) {
            return Err(format!("it names {} nodes; there can be 1 to {MOST_MEMBERS}", entries.len()));
        }
        let mut members: Vec<_> = (0..).zip(entries).map(|(place, entry)| entry.member(place)).collect();
        members.sort_by_key(|(id, _)| *id);
        for (place, (id, member)) in (0..).zip(&members) {
            if *id != place {
                return Err(format!("ids are 0, 1, 2 and so on, each once; nobody has {place}"));
            }
            if !(1..=LONGEST_NAME).contains(&member.name.chars().count()) {
                return Err(format!("the name of node {id} has to have 1 to {LONGEST_NAME} characters"));
            }
        }
        let members: Vec<_> = members.into_iter().map(|(_, member)| member).collect();
        for (at, member) in members.iter().enumerate() {
            let twice = |other: &&Member| other.address == member.address || other.name == member.name;
            if let Some(other) = members[..at].iter().find(twice) {
                return Err(format!("{} at {} is there twice", other.name, other.address));
            }
        }
        Ok(Self(members))
    }

    /// How many.
    pub fn count(&self) -> u16 {
        u16::try_from(self.0.len()).unwrap_or(u16::MAX)
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = (NodeId, &Member)> {
        (0..).map(NodeId).zip(&self.0)
    }

    /// One of them.
    pub fn get(&self, id: NodeId) -> Option<&Member> {
        self.0.get(id.index())
    }

    /// Who listens there.
    pub fn at(&self, address: SocketAddr) -> Option<NodeId> {
        self.iter().find(|(_, member)| member.address == address).map(|(id, _)| id)
    }

    /// The attribute values, in the order of the ring.
    pub fn values(&self) -> Arc<[u64]> {
        self.0.iter().map(|member| member.value).collect()
    }
}

impl Entry {
    fn of_line(number: usize, line: &str) -> Result<Self, String> {
        let address = line.parse().map_err(|_| format!("line {number}: \"{line}\" is no ip:port"))?;
        Ok(Self { name: None, id: None, address, value: None })
    }

    fn member(self, place: u16) -> (u16, Member) {
        let id = self.id.unwrap_or(place);
        let name = self.name.unwrap_or_else(|| NodeId(id).to_string());
        (id, Member { name, address: self.address, value: self.value.unwrap_or(id.into()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_an_address_and_its_place_is_the_priority() {
        let members = Members::parse("# four\n10.0.0.1:9000\n\n[::1]:9001 # here\n").unwrap();
        assert_eq!(members.count(), 2);
        assert_eq!(members.at("[::1]:9001".parse().unwrap()), Some(NodeId(1)));
        assert_eq!(members.values()[..], [0, 1]);
        assert_eq!(members.get(NodeId(0)).unwrap().name, "P0");
    }

    #[test]
    fn a_table_has_a_name_an_id_and_a_value() {
        let text = "[[node]]\nname = \"B\"\nid = 1\naddress = \"127.0.0.1:2\"\nvalue = 100\n\
                    [[node]]\nname = \"A\"\nid = 0\naddress = \"127.0.0.1:1\"\nvalue = 90\n";
        let members = Members::parse(text).unwrap();
        assert_eq!(members.get(NodeId(0)).unwrap().name, "A");
        assert_eq!(members.values()[..], [90, 100]);
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said() {
        for (text, why) in [
            ("", "0 nodes"),
            ("127.0.0.1\n", "line 1"),
            ("127.0.0.1:1\n127.0.0.1:1\n", "twice"),
            ("[[node]]\nid = 1\naddress = \"127.0.0.1:1\"\n", "nobody has 0"),
            ("[[node]]\nport = 1\n", "unknown field"),
        ] {
            let error = Members::parse(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
