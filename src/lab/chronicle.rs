//! Everything that has happened, in order: kept in a file, added up on a board, and told to pages.

use std::collections::VecDeque;

use super::archive::Archive;
use super::board::Board;
use super::record::{Record, What};

/// Records that are told to a page that has heard none; older ones are in the file.
const MOST_RECENT: usize = 4000;

#[derive(Debug)]
pub(super) struct Chronicle {
    board: Board,
    recent: VecDeque<Record>,
    last: u64,
    archive: Archive,
}

impl Chronicle {
    pub(super) fn new(archive: Archive) -> Self {
        Self { board: Board::default(), recent: VecDeque::new(), last: 0, archive }
    }

    /// Something has happened.
    pub(super) fn add(&mut self, at_us: i64, what: What) {
        self.last += 1;
        let record = Record { number: self.last, at_us, what };
        self.board.take(&record);
        self.archive.keep(&record);
        self.recent.push_back(record);
        if self.recent.len() > MOST_RECENT {
            self.recent.pop_front();
        }
    }

    pub(super) fn board(&self) -> &Board {
        &self.board
    }

    pub(super) fn board_mut(&mut self) -> &mut Board {
        &mut self.board
    }

    /// What has happened after record `number`, as far back as is remembered.
    pub(super) fn after(&self, number: u64) -> Vec<&Record> {
        self.recent.iter().filter(|record| record.number > number).collect()
    }
}
