//! Lines on their way to a reader who may be slow, or stand still.
//!
//! A thread of its own writes them, so that nobody waits for a reader: a leader that did could not
//! stop its work before its lease ends. There is room for a burst, and a little patience slows a
//! longer one down to the reader's pace. When that is used up, lines are lost, and counted, until the
//! reader has caught up by half.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{io, thread};

/// Bytes that may wait: what several thousand jobs say at once when they change their leader.
const MOST_BYTES: usize = 4 << 20;
/// Bytes that are written at once, as many as a pipe holds.
const CHUNK: usize = 64 << 10;
/// How long a line waits for room: no longer than the margin of the shortest lease.
const PATIENCE: Duration = Duration::from_millis(50);

/// Takes lines, and gives them to a writer in the background.
#[derive(Clone, Debug, Default)]
pub(super) struct Spool(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// There is something to write.
    filled: Condvar,
    /// Something was written.
    written: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// What waits, and what is being written.
    bytes: VecDeque<u8>,
    /// The reader stands still: nobody waits for it.
    deaf: bool,
    /// The reader is gone: nothing could be written last time.
    gone: bool,
    /// Lines that nobody got.
    lost: u64,
    /// How many of them people were told of.
    told: u64,
}

impl Spool {
    /// A spool that `write` empties, a piece at a time.
    pub(super) fn start(write: impl Fn(&[u8]) -> io::Result<()> + Send + 'static) -> io::Result<Self> {
        let spool = Self::default();
        let shared = Arc::clone(&spool.0);
        thread::Builder::new().name("log".to_owned()).spawn(move || shared.serve(write))?;
        Ok(spool)
    }

    /// Takes a line, unless the reader has stood still for too long.
    pub(super) fn put(&self, line: &[u8]) {
        let mut state = self.0.lock();
        if state.is_full() && !state.deaf {
            let waited = self.0.written.wait_timeout_while(state, PATIENCE, |state| state.is_full());
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            state.deaf = state.is_full();
        }
        if state.deaf && state.is_half_full() {
            state.lost += 1;
            return;
        }
        state.deaf = false;
        state.bytes.extend(line);
        self.0.filled.notify_one();
    }

    /// Waits until everything is written, for `patience` at most.
    pub(super) fn flush(&self, patience: Duration) {
        let waits = |state: &mut State| !state.bytes.is_empty();
        drop(self.0.written.wait_timeout_while(self.0.lock(), patience, waits));
    }

    /// How many lines were lost so far.
    pub(super) fn lost(&self) -> u64 {
        self.0.lock().lost
    }

    /// How many were lost since this was last asked, once there is somebody to tell.
    pub(super) fn newly_lost(&self) -> Option<u64> {
        let mut state = self.0.lock();
        let news = state.lost - state.told;
        if news == 0 || state.gone || state.is_half_full() {
            return None;
        }
        state.told = state.lost;
        Some(news)
    }
}

impl State {
    fn is_full(&self) -> bool {
        self.bytes.len() >= MOST_BYTES
    }

    fn is_half_full(&self) -> bool {
        self.bytes.len() >= MOST_BYTES / 2
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, write: impl Fn(&[u8]) -> io::Result<()>) {
        let mut chunk = Vec::with_capacity(CHUNK);
        let mut state = self.lock();
        loop {
            if state.bytes.is_empty() {
                // A burst is over: its memory goes back.
                state.bytes.shrink_to(CHUNK);
                state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            chunk.clear();
            chunk.extend(state.bytes.iter().take(CHUNK));
            drop(state);
            let gone = write(&chunk).is_err();
            state = self.lock();
            // Not before it is out, so that an empty spool has nothing in hand.
            state.bytes.drain(..chunk.len());
            state.gone = gone;
            if gone {
                let lines = chunk.split(|byte| *byte == b'\n').skip(1).count();
                state.lost += u64::try_from(lines).unwrap_or(u64::MAX);
            }
            self.written.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    const LONG: Duration = Duration::from_secs(30);

    fn line() -> Vec<u8> {
        let mut line = vec![b'x'; 1023];
        line.push(b'\n');
        line
    }

    #[test]
    fn a_reader_that_stands_still_holds_nobody_up_and_no_loss_is_silent() {
        let (read, reader) = channel::<()>();
        let (heard, hears) = channel();
        let spool = Spool::start(move |bytes| {
            // An error means that the reader goes on for good.
            let _goes_on = reader.recv();
            heard.send(bytes.len()).map_err(io::Error::other)
        });
        let spool = spool.unwrap();
        let sent = 4 * MOST_BYTES / line().len();
        (0..sent).for_each(|_| spool.put(&line()));
        let lost = usize::try_from(spool.lost()).unwrap();
        assert!(lost >= sent / 2, "{lost}");
        assert_eq!(spool.newly_lost(), None, "nobody is there to tell");

        drop(read);
        spool.flush(LONG);
        assert_eq!(hears.try_iter().sum::<usize>() / line().len() + lost, sent);
        assert_eq!((spool.newly_lost(), spool.newly_lost()), (Some(spool.lost()), None));
        spool.put(&line());
        spool.flush(LONG);
        assert_eq!((hears.try_iter().sum::<usize>(), spool.lost()), (1024, u64::try_from(lost).unwrap()));
    }

    #[test]
    fn a_slow_reader_gets_everything() {
        let (heard, hears) = channel();
        let spool = Spool::start(move |bytes| {
            thread::yield_now();
            heard.send(bytes.to_vec()).map_err(io::Error::other)
        });
        let spool = spool.unwrap();
        let lines: Vec<_> = (0..100_000).map(|number| format!("line {number}\n").into_bytes()).collect();
        for line in &lines {
            spool.put(line);
        }
        spool.flush(LONG);
        assert!(hears.try_iter().flatten().eq(lines.concat()), "all of it, in order");
        assert_eq!(spool.lost(), 0);
    }

    #[test]
    fn lines_for_a_reader_that_is_gone_are_counted() {
        let spool = Spool::start(|_| Err(io::ErrorKind::BrokenPipe.into())).unwrap();
        spool.put(&line());
        spool.flush(LONG);
        assert_eq!((spool.lost(), spool.newly_lost()), (1, None));
    }
}
