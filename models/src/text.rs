//! Foreign text on its way to a person: names, paths and contents of files that somebody else made.
//!
//! ```
//! use inkgrad_models::text::{escape, without_mark};
//!
//! assert_eq!(escape("a class\u{1b}[2J", false), "a class\\u{1b}[2J"); // no control of the terminal
//! assert_eq!(without_mark(b"\xef\xbb\xbfrabbit"), b"rabbit"); // a byte-order mark
//! ```

/// The most characters of one message that are shown.
const MOST: usize = 1500;
/// The most characters of a place: longer than paths usually are.
const MOST_OF_PLACE: usize = 600;
/// Of a longer message, as many from its end: what was expected stands there.
const TAIL: usize = 300;

/// `text` with everything that would move the cursor, change the terminal or the direction of writing escaped. Line
/// breaks are kept where `lines` says so.
pub fn escape(text: &str, lines: bool) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unsafe(c) && !(lines && c == '\n') {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Whether a character acts on the terminal instead of standing in it: control characters, line and paragraph
/// separators, and the marks that reverse the direction of writing (Unicode Technical Report 36, section 2.6).
pub fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// The message of an error, escaped, on one line of bounded length.
pub fn line(text: &str) -> String {
    shortened(text, MOST, false)
}

/// The message of TOML's parser on one line.
pub(crate) fn of_toml(error: &toml::de::Error) -> String {
    error.message().trim_end().replace('\n', ", ")
}

/// Lines for a person, escaped, of bounded length: the middle of longer ones is left out.
pub fn message(text: &str) -> String {
    shortened(text, MOST, true)
}

/// The place of an error, alike: a file, a folder, an option, on one line.
pub fn place(text: &str) -> String {
    shortened(text, MOST_OF_PLACE, false)
}

fn shortened(text: &str, most: usize, lines: bool) -> String {
    let count = text.chars().count();
    if count <= most {
        return escape(text, lines);
    }
    let head: String = text.chars().take(most - TAIL).collect();
    let tail: String = text.chars().skip(count - TAIL).collect();
    format!("{} … {}", escape(&head, lines), escape(&tail, lines))
}

/// The name that the running program goes by, for commands in messages: the last part of the path that it was started by.
/// A program of somebody else's with these commands has another than `inkgrad`.
pub fn program() -> String {
    let started = std::env::args_os().next().unwrap_or_default();
    let name = std::path::Path::new(&started).file_name().unwrap_or_default().to_string_lossy();
    let name = escape(name.strip_suffix(std::env::consts::EXE_SUFFIX).unwrap_or(&name), false);
    if name.is_empty() { "inkgrad".to_owned() } else { name }
}

/// The first words of a pointer, in place of a file that Git LFS keeps elsewhere and that was not fetched.
pub const LFS_POINTER: &str =
    "a Git LFS pointer, not the file itself; expected its contents (`git lfs pull` fetches them)";

/// Bytes of a file that are enough for [`is_lfs_pointer`].
pub const LFS_LENGTH: u64 = 32;

/// Whether a file that begins with `start` is a Git LFS pointer.
pub fn is_lfs_pointer(start: &[u8]) -> bool {
    start.starts_with(b"version https://git-lfs")
}

/// `bytes` without the byte-order mark of UTF-8.
pub fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped_and_letters_are_not() {
        assert_eq!(escape("a\u{1b}[2Jb\nc\r\u{202e}é猫", false), "a\\u{1b}[2Jb\\nc\\r\\u{202e}é猫");
        assert_eq!(escape("a\nb\u{9b}", true), "a\nb\\u{9b}");
    }

    #[test]
    fn a_long_message_keeps_its_start_and_its_end() {
        let shown = message(&format!("start {} expected this", "x".repeat(675_000)));
        assert!(shown.starts_with("start ") && shown.ends_with(" expected this"), "{shown}");
        assert!(shown.chars().count() <= MOST + 3);
        assert_eq!(message("short"), "short");
        assert!(place(&"a\n".repeat(10_000)).chars().count() <= 2 * MOST_OF_PLACE + 3);
    }
}
