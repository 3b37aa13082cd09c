//! The lines of what a command writes: without secrets, and within limits. No I/O.
//!
//! A long line comes in parts. When as many bytes have come as may be said in a minute, the rest is
//! only counted, and its last lines come when there is room again, or at the end: they tell how it went.

use std::mem::{replace, take};

use crate::secret::Secrets;

/// A longer line comes in parts, of about this many bytes.
pub const LONGEST_LINE: usize = 8 << 10;
/// The least that is taken of a long line at once.
const STEP: usize = 1 << 10;
/// What a line counts for beside its bytes: the log adds more than that to it.
const COST: usize = 100;
/// How many lines come for which there was no room, and how many bytes they have at most.
const LAST_LINES: usize = 20;
const LAST_BYTES: usize = 4 << 10;
/// Stands where a line was parted, or something is left out.
const MORE: &str = "…";

/// Cuts what comes out of two pipes into lines.
#[derive(Debug)]
pub(super) struct Lines {
    secrets: Secrets,
    streams: [Stream; 2],
    limit: usize,
    /// How much of that is left.
    room: usize,
    left_out: LeftOut,
}

/// What has come out of one pipe, and in no line yet.
#[derive(Debug, Default)]
struct Stream {
    /// The line that has begun, or the last of what there was no room for.
    kept: Vec<u8>,
    begins: Begin,
}

/// What stands before what is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Begin {
    /// The end of a line.
    #[default]
    Line,
    /// A part of the line that has been said.
    Part,
    /// A part of it that is left out. The rest of that line is not said: it may be the end of a secret.
    Gap,
}

/// What comes in no line.
#[derive(Clone, Copy, Debug, Default)]
struct LeftOut {
    lines: usize,
    bytes: usize,
}

impl Lines {
    /// Lines without these secrets, which have `limit` bytes together until there is a [`Lines::refill`].
    pub(super) fn new(secrets: Secrets, limit: usize) -> Self {
        Self { secrets, streams: Default::default(), limit, room: limit, left_out: LeftOut::default() }
    }

    /// The lines that end in what has come out of a pipe.
    pub(super) fn take(&mut self, index: usize, mut bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        while !bytes.is_empty() {
            let stream = &mut self.streams[index];
            if self.room == 0 {
                stream.keep_end(bytes, &mut self.left_out);
                break;
            }
            if stream.begins == Begin::Gap {
                bytes = stream.skip_line(bytes, &mut self.left_out);
                continue;
            }
            let fits = LONGEST_LINE.saturating_sub(stream.kept.len()).max(STEP).min(bytes.len());
            let end = bytes[..fits].iter().position(|byte| *byte == b'\n');
            stream.kept.extend(&bytes[..end.unwrap_or(fits)]);
            bytes = &bytes[end.map_or(fits, |end| end + 1)..];
            let line = match end {
                Some(_) => stream.line(&self.secrets),
                None if stream.kept.len() >= LONGEST_LINE => stream.part(&self.secrets),
                None => None,
            };
            self.room = self.room.saturating_sub(line.as_ref().map_or(0, |line| line.len() + COST));
            lines.extend(line);
        }
        lines
    }

    /// Makes room for as much again, and says what there was none for.
    pub(super) fn refill(&mut self) -> Vec<String> {
        let lines = self.catch_up();
        self.room = self.limit;
        lines
    }

    /// The last lines, when nothing more comes.
    pub(super) fn finish(mut self) -> Vec<String> {
        let mut lines = self.catch_up();
        lines.extend(self.streams.iter_mut().filter_map(|stream| stream.line(&self.secrets)));
        lines
    }

    /// The last lines of what there was no room for, under one that tells of the others.
    fn catch_up(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.room == 0 {
            for stream in &mut self.streams {
                lines.extend(stream.last_lines(&self.secrets, &mut self.left_out));
            }
        }
        let (LeftOut { lines: count, bytes }, limit) = (take(&mut self.left_out), self.limit);
        if bytes > 0 {
            let note =
                format!("{MORE} {count} lines of {bytes} bytes are left out, beyond {limit} bytes a minute");
            lines.insert(0, note);
        }
        lines
    }
}

impl Stream {
    /// All that is kept, as a line; `None` if it is empty.
    fn line(&mut self, secrets: &Secrets) -> Option<String> {
        let text = secrets.redact(String::from_utf8_lossy(&self.kept).into_owned());
        let text = text.strip_suffix('\r').unwrap_or(&text);
        let begin = if take(&mut self.begins) == Begin::Line { "" } else { MORE };
        self.kept.clear();
        (!text.is_empty()).then(|| format!("{begin}{text}"))
    }

    /// As much of what is kept as cannot be the beginning of a secret or of a character.
    fn part(&mut self, secrets: &Secrets) -> Option<String> {
        let rest = self.kept.split_off(self.kept.len() - broken(&self.kept));
        let mut text = secrets.redact(String::from_utf8_lossy(&self.kept).into_owned());
        self.kept = text.split_off(text.len() - secrets.begun(&text)).into_bytes();
        self.kept.extend(rest);
        if text.is_empty() {
            return None;
        }
        let begin = if self.begins == Begin::Line { "" } else { MORE };
        self.begins = Begin::Part;
        Some(format!("{begin}{text}{MORE}"))
    }

    /// Leaves out what is left of a line, and returns what comes after it.
    fn skip_line<'b>(&mut self, bytes: &'b [u8], left_out: &mut LeftOut) -> &'b [u8] {
        let end = bytes.iter().position(|byte| *byte == b'\n').map(|end| end + 1);
        if end.is_some() {
            self.begins = Begin::Line;
        }
        let (skipped, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
        left_out.count(skipped);
        rest
    }

    /// Keeps the end of what there is no room for.
    fn keep_end(&mut self, bytes: &[u8], left_out: &mut LeftOut) {
        self.kept.extend(bytes);
        if self.kept.len() > 2 * LAST_BYTES {
            let over = self.kept.len() - LAST_BYTES;
            left_out.count(&self.kept[..over]);
            self.kept.drain(..over);
            self.begins = Begin::Gap;
        }
    }

    /// The last lines of what there was no room for. A line that has only begun is kept, unless its
    /// beginning is left out.
    fn last_lines(&mut self, secrets: &Secrets, left_out: &mut LeftOut) -> Vec<String> {
        let end = self.kept.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let begun = self.kept.split_off(end);
        let kept = replace(&mut self.kept, begun);
        let mut lines: Vec<_> = kept.split_inclusive(|byte| *byte == b'\n').collect();
        let headless = usize::from(self.begins != Begin::Line).min(lines.len());
        let over = lines.len().saturating_sub(LAST_LINES).max(headless);
        lines.drain(..over).for_each(|line| left_out.count(line));
        if end > 0 {
            self.begins = Begin::Line;
        } else if self.begins == Begin::Gap {
            left_out.count(&take(&mut self.kept));
        }
        let lines = lines.into_iter().map(|line| String::from_utf8_lossy(line).trim_end().to_owned());
        lines.filter(|line| !line.is_empty()).map(|line| secrets.redact(line)).collect()
    }
}

impl LeftOut {
    fn count(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len();
        self.lines += bytes.split(|byte| *byte == b'\n').count() - 1;
    }
}

/// How many bytes at the end of `text` are the beginning of a character.
fn broken(text: &[u8]) -> usize {
    let last = text.utf8_chunks().last().map_or(&[][..], |chunk| chunk.invalid());
    match std::str::from_utf8(last) {
        Err(error) if error.error_len().is_none() => last.len(),
        // Whole, or wrong whatever follows.
        Ok(_) | Err(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLENTY: usize = 1 << 20;

    /// What is said of `text`, which comes in pieces of any length.
    fn said(text: &[u8], secrets: &[&str], limit: usize) -> Vec<String> {
        let mut random = fastrand::Rng::with_seed(7);
        let mut lines = Lines::new(secrets.iter().copied().collect(), limit);
        let (mut said, mut rest) = (Vec::new(), text);
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(random.usize(1..=rest.len().min(16 << 10)));
            said.extend(lines.take(0, piece));
            rest = after;
        }
        said.extend(lines.finish());
        said
    }

    #[test]
    fn lines_come_whole_however_they_were_written() {
        let text = "one\ntwo\r\n\nthr\u{e9}e".as_bytes();
        assert_eq!(said(text, &[], PLENTY), ["one", "two", "thr\u{e9}e"]);
    }

    #[test]
    fn the_lines_of_two_pipes_do_not_mix() {
        let mut lines = Lines::new(Secrets::default(), PLENTY);
        assert_eq!(lines.take(0, b"ou"), [""; 0]);
        assert_eq!(lines.take(1, b"err\n"), ["err"]);
        assert_eq!(lines.take(0, b"t\n"), ["out"]);
    }

    #[test]
    fn bytes_that_are_no_text_are_shown_as_such() {
        assert_eq!(said(b"a\xffb\xc3\n", &[], PLENTY), ["a\u{fffd}b\u{fffd}"]);
    }

    #[test]
    fn a_long_line_comes_in_marked_parts_and_nothing_of_it_is_lost() {
        let line = "\u{65e5}x".repeat(LONGEST_LINE);
        let parts = said(format!("{line}\nnext\n").as_bytes(), &[], PLENTY);
        assert!(parts.len() > 4 && parts.iter().all(|part| part.len() <= LONGEST_LINE + 2 * STEP));
        assert_eq!(parts.last().unwrap(), "next");
        assert!(parts[0].ends_with(MORE) && parts[1].starts_with(MORE));
        assert_eq!(parts[..parts.len() - 1].concat().replace(MORE, ""), line);
    }

    #[test]
    fn no_secret_shows_where_a_long_line_is_parted() {
        let secret = "hunter22-and-hunter22";
        for before in LONGEST_LINE - 2 * secret.len()..LONGEST_LINE + secret.len() {
            let line = format!("{}{secret}{}\n", "x".repeat(before), "y".repeat(LONGEST_LINE));
            let said = said(line.as_bytes(), &[secret, "22-another-one"], PLENTY).concat();
            assert!(said.contains("[redacted]") && !said.contains("hunter"), "{before}");
        }
    }

    #[test]
    fn what_is_too_much_is_counted_and_its_end_is_said() {
        let lines: Vec<_> = (0..100_000).map(|line| format!("line {line}\n")).collect();
        let text = lines.concat();
        let said = said(text.as_bytes(), &["line 99998", "line 99997"], 10_000);
        assert!((80..100).contains(&(said.len() - LAST_LINES)), "{}", said.len());
        let end = &said[said.len() - LAST_LINES..];
        assert_eq!((end[0].as_str(), end[LAST_LINES - 1].as_str()), ("line 99980", "line 99999"));
        assert_eq!(end[LAST_LINES - 3..LAST_LINES - 1], ["[redacted]"; 2]);
        let told = &said[said.len() - LAST_LINES - 1];
        let lines = said.len() - 1;
        assert!(told.starts_with(&format!("{MORE} {} lines of ", 100_000 - lines)), "{told}");
        assert!(told.ends_with(" bytes are left out, beyond 10000 bytes a minute"), "{told}");
    }

    #[test]
    fn after_a_minute_there_is_room_again() {
        let mut lines = Lines::new(Secrets::default(), 1000);
        let flood = "12345\n".repeat(1000);
        assert!(lines.take(0, flood.as_bytes()).len() < 20);
        assert_eq!(lines.take(0, b"nobody hears this\nhalf "), [""; 0]);
        let told = lines.refill();
        assert_eq!((told.len(), told[LAST_LINES].as_str()), (1 + LAST_LINES, "nobody hears this"));
        assert_eq!(lines.take(0, b"a line\nmore\n"), ["half a line", "more"]);
        assert_eq!(lines.refill(), [""; 0]);
    }

    #[test]
    fn the_end_of_a_line_is_left_out_with_its_beginning() {
        let mut lines = Lines::new(["hunter22-and-hunter22"].into_iter().collect(), 1000);
        drop(lines.take(0, "12345\n".repeat(1000).as_bytes()));
        drop(lines.take(0, format!("{}hunter22-and-", "x".repeat(3 * LAST_BYTES)).as_bytes()));
        assert_eq!(lines.refill().len(), 1);
        assert_eq!(lines.take(0, b"hunter22\nmore\n"), ["more"]);
        let told = lines.finish();
        assert_eq!(told, [format!("{MORE} 1 lines of 9 bytes are left out, beyond 1000 bytes a minute")]);
    }

    #[test]
    fn a_flood_without_lines_takes_no_memory() {
        let mut lines = Lines::new(Secrets::default(), 10_000);
        let flood = vec![b'x'; 1 << 16];
        (0..100).for_each(|_| drop(lines.take(0, &flood)));
        assert!(lines.streams[0].kept.capacity() <= 4 * flood.len());
        assert_eq!(lines.finish().len(), 1);
    }
}
