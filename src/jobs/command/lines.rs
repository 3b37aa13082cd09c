//! The lines of what a command writes: without secrets, and within limits. No I/O.
//!
//! A long line comes in parts. When as many bytes as a run may say have come, the rest is only counted,
//! and its last lines come at the end: they tell how it went.

use crate::secret::Secrets;

/// A longer line comes in parts, of about this many bytes.
pub const LONGEST_LINE: usize = 8 << 10;
/// The least that is taken of a long line at once.
const STEP: usize = 1 << 10;
/// What a line counts for beside its bytes: the log adds more than that to it.
const COST: usize = 100;
/// How many lines come at the end for which there was no room, and how many bytes they have at most.
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
    /// Its beginning is elsewhere.
    parted: bool,
}

/// What comes in no line.
#[derive(Clone, Copy, Debug, Default)]
struct LeftOut {
    lines: usize,
    bytes: usize,
}

impl Lines {
    /// Lines without these secrets, which have `limit` bytes together.
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

    /// The last lines, when nothing more comes.
    pub(super) fn finish(mut self) -> Vec<String> {
        if self.room > 0 {
            return self.streams.iter_mut().filter_map(|stream| stream.line(&self.secrets)).collect();
        }
        let mut lines = Vec::new();
        for stream in &mut self.streams {
            lines.extend(stream.last_lines(&self.secrets, &mut self.left_out));
        }
        let (LeftOut { lines: count, bytes }, limit) = (self.left_out, self.limit);
        if bytes > 0 {
            lines.insert(
                0,
                format!("{MORE} {count} lines of {bytes} bytes are left out, after {limit} bytes"),
            );
        }
        lines
    }
}

impl Stream {
    /// All that is kept, as a line; `None` if it is empty.
    fn line(&mut self, secrets: &Secrets) -> Option<String> {
        let text = secrets.redact(String::from_utf8_lossy(&self.kept).into_owned());
        let text = text.strip_suffix('\r').unwrap_or(&text);
        let begin = if self.parted { MORE } else { "" };
        self.kept.clear();
        self.parted = false;
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
        let begin = if self.parted { MORE } else { "" };
        self.parted = true;
        Some(format!("{begin}{text}{MORE}"))
    }

    /// Keeps the end of what there is no room for.
    fn keep_end(&mut self, bytes: &[u8], left_out: &mut LeftOut) {
        self.kept.extend(bytes);
        if self.kept.len() > 2 * LAST_BYTES {
            let over = self.kept.len() - LAST_BYTES;
            left_out.count(&self.kept[..over]);
            self.kept.drain(..over);
            self.parted = true;
        }
    }

    /// The last lines of what there was no room for.
    fn last_lines(&mut self, secrets: &Secrets, left_out: &mut LeftOut) -> Vec<String> {
        let mut lines: Vec<_> = self.kept.split_inclusive(|byte| *byte == b'\n').collect();
        // Not one without its beginning: it may end a secret.
        let least = usize::from(self.parted).min(lines.len());
        let over = lines.len().saturating_sub(LAST_LINES).max(least);
        lines.drain(..over).for_each(|line| left_out.count(line));
        let lines = lines.into_iter().map(|line| String::from_utf8_lossy(line).trim_end().to_owned());
        lines.filter(|line| !line.is_empty()).map(|line| secrets.redact(line)).collect()
    }
}

impl LeftOut {
    fn count(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len();
        self.lines += bytes.iter().filter(|byte| **byte == b'\n').count();
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
        let text: String = (0..100_000).map(|line| format!("line {line}\n")).collect();
        let said = said(text.as_bytes(), &["line 99998", "line 99997"], 10_000);
        assert!((80..100).contains(&(said.len() - LAST_LINES)), "{}", said.len());
        let end = &said[said.len() - LAST_LINES..];
        assert_eq!((end[0].as_str(), end[LAST_LINES - 1].as_str()), ("line 99980", "line 99999"));
        assert_eq!(end[LAST_LINES - 3..LAST_LINES - 1], ["[redacted]"; 2]);
        let told = &said[said.len() - LAST_LINES - 1];
        let lines = said.len() - 1;
        assert!(told.starts_with(&format!("{MORE} {} lines of ", 100_000 - lines)), "{told}");
        assert!(told.ends_with(" bytes are left out, after 10000 bytes"), "{told}");
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
