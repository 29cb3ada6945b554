//! Google's bitmaps from their public bucket: of each class the first drawings, and no more bytes than those take.
//!
//! A class is asked for twice: its first bytes, which hold the array's header and say how long the file is, and then
//! the range of bytes of the rows wanted. Rows are kept in a `.part` file as they come, and a later run goes on from
//! there if the server's file is still the same.

mod http;
mod part;
mod remote;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use serde::Serialize;
use ureq::http::Uri;
use ureq::http::uri::Authority;

use self::http::{Client, Failure};
use self::part::Part;
use self::remote::Remote;
use super::npy::Array;
use super::{PIXELS, Pixels, load_images, save_npy};
use crate::error::{Error, Result};
use crate::memory;

/// Where Google keeps the bitmaps: `<class>.npy` for each of the 345 classes.
pub const BASE_URL: &str = "https://storage.googleapis.com/quickdraw_dataset/full/numpy_bitmap";

/// Many times what any class has (some 350,000 at most): more is not believed, and a limit has to be given.
const MOST_ROWS: usize = 10_000_000;

/// Bytes of a drawing.
const ROW: usize = PIXELS;

/// The classes to download, and how patiently.
#[derive(Clone, Debug)]
pub struct Download {
    /// Names of the classes, as Google spells them: `cat`, `ice cream`.
    pub classes: Vec<String>,
    /// Drawings of each class, from the first; all of them if `None`.
    pub limit: Option<usize>,
    /// Folder to write `<class>.npy` to; made if it is not there.
    pub out: PathBuf,
    /// The address before `/<class>.npy`: [`BASE_URL`], or a mirror's, `http:` or `https:`.
    pub base_url: String,
    /// How often in a row a class may fail without one more drawing before it is given up; at least 1.
    pub tries: u32,
    /// Wait before the second try; doubles with each.
    pub backoff: Duration,
    /// No wait is longer, whatever the server asks for.
    pub longest_wait: Duration,
    /// How long to wait for a connection, and for the next bytes on it.
    pub patience: Duration,
}

impl Download {
    /// The first `limit` drawings of each of `classes` from Google's bucket to `out`: up to 6 tries, the second after
    /// half a second.
    pub fn new(classes: Vec<String>, limit: Option<usize>, out: impl Into<PathBuf>) -> Self {
        Self {
            classes,
            limit,
            out: out.into(),
            base_url: BASE_URL.to_owned(),
            tries: 6,
            backoff: Duration::from_millis(500),
            longest_wait: Duration::from_secs(60),
            patience: Duration::from_secs(30),
        }
    }

    fn check(&self) -> Result<()> {
        if self.classes.is_empty() {
            return Err(Error::input("classes", "none, expected at least one"));
        }
        let mut seen = HashSet::new();
        for class in &self.classes {
            // A name becomes a file's name, so it may not lead elsewhere.
            let unfit = |c: char| c.is_control() || "/\\:*?\"<>|".contains(c);
            if class.trim() != class || class.is_empty() || class.starts_with('.') || class.contains(unfit) {
                return Err(Error::input("classes", format_args!("{class:?}, expected {CLASS_NAMES}")));
            }
            if !seen.insert(class) {
                return Err(Error::input("classes", format_args!("{class:?} twice, expected each class once")));
            }
        }
        if self.limit == Some(0) {
            return Err(Error::input("limit", "0, expected at least 1 drawing a class"));
        }
        if !["http://", "https://"].iter().any(|scheme| self.base_url.starts_with(scheme)) {
            return Err(Error::input("base URL", format_args!("{:?}, expected http://… or https://…", self.base_url)));
        }
        let authority = self.base_url.parse::<Uri>().ok().and_then(|uri| uri.authority().cloned());
        // Behind the last colon, unless that is within an address of IPv6.
        let has_port =
            |authority: &Authority| authority.as_str().rsplit(']').next().is_some_and(|end| end.contains(':'));
        if authority.is_some_and(|authority| has_port(&authority) && authority.port_u16().is_none()) {
            let problem = format_args!("{:?}, expected a port up to 65535 behind the colon", self.base_url);
            return Err(Error::input("base URL", problem));
        }
        Ok(())
    }

    fn url(&self, class: &str) -> String {
        format!("{}/{}.npy", self.base_url.trim_end_matches('/'), percent_encode(class))
    }
}

/// Progress that [`download`] tells while it runs.
#[derive(Clone, Debug, PartialEq)]
pub enum Progress<'a> {
    /// More of a class has come.
    Rows {
        /// The class.
        class: &'a str,
        /// Whole drawings here, those of an earlier run among them.
        done: usize,
        /// Drawings wanted.
        wanted: usize,
    },
    /// A try has failed; the next follows after a wait.
    Retry {
        /// The class.
        class: &'a str,
        /// Why, in one line.
        reason: &'a str,
        /// Number of the next try.
        next_try: u32,
        /// Tries in all.
        tries: u32,
        /// Time until then.
        wait: Duration,
    },
    /// A class is complete.
    Done(&'a ClassReport),
}

/// The outcome of a download.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Each class, in the order asked for.
    pub classes: Vec<ClassReport>,
}

/// The outcome of a download for one class.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassReport {
    /// The class.
    pub class: String,
    /// Its file.
    pub path: PathBuf,
    /// Drawings in the file.
    pub rows: usize,
    /// Drawings that the server has; `None` if it was not asked.
    pub available: Option<usize>,
    /// Drawings that came in this run; 0 if the file was there already.
    pub fetched: usize,
}

/// How Google spells classes, for errors.
const CLASS_NAMES: &str =
    "the name of a Quick, Draw! class as Google spells it, such as `cat`, `ice cream` or `The Eiffel Tower`";

/// Downloads classes, one after the other.
///
/// Each file appears whole or not at all. One that is there already and has enough drawings is left alone; one with
/// fewer is replaced only by a file that begins with the same drawings.
///
/// # Errors
/// One line that names the option, URL or file, what was found and what was expected. Whatever came before the failure
/// is kept: finished classes, and the `.part` file of the class that failed.
pub fn download(options: &Download, progress: &mut dyn FnMut(Progress<'_>)) -> Result<Report> {
    options.check()?;
    let client = Client::new(options.patience);
    let mut classes = Vec::with_capacity(options.classes.len());
    for class in &options.classes {
        let report = Class::new(options, &client, class).download(progress)?;
        progress(Progress::Done(&report));
        classes.push(report);
    }
    Ok(Report { classes })
}

/// One class on its way from the server to its file.
struct Class<'a> {
    options: &'a Download,
    client: &'a Client,
    name: &'a str,
    url: String,
    path: PathBuf,
}

impl<'a> Class<'a> {
    fn new(options: &'a Download, client: &'a Client, name: &'a str) -> Self {
        let path = options.out.join(format!("{name}.npy"));
        Self { options, client, name, url: options.url(name), path }
    }

    fn download(&self, progress: &mut dyn FnMut(Progress<'_>)) -> Result<ClassReport> {
        let there = if self.path.exists() { Array::open(&self.path)?.layout()?.count } else { 0 };
        let report = |rows, available, fetched| ClassReport {
            class: self.name.to_owned(),
            path: self.path.clone(),
            rows,
            available,
            fetched,
        };
        if self.options.limit.is_some_and(|limit| limit <= there) {
            return Ok(report(there, None, 0));
        }
        let mut part = Part::open(self.path.with_added_extension("part"))?;
        let mut fetched = 0;
        let remote = self.fetch(there, &mut part, &mut fetched, progress)?;
        let wanted = self.wanted(&remote);
        if there >= wanted {
            return Ok(report(there, Some(remote.rows), 0));
        }
        let rows = part.read_rows(wanted)?;
        if there > 0 && !begins_with(&rows, &self.path)? {
            return Err(Error::input(
                self.path.display(),
                format_args!("holds {there} other drawings than {} begins with, expected no such file", self.url),
            ));
        }
        save_npy(&self.path, &[wanted, ROW], &rows)?;
        part.remove()?;
        Ok(report(wanted, Some(remote.rows), fetched))
    }

    fn wanted(&self, remote: &Remote) -> usize {
        self.options.limit.map_or(remote.rows, |limit| limit.min(remote.rows))
    }

    /// Tries until `part` has the rows wanted, or the file that is there has as many.
    fn fetch(
        &self,
        there: usize,
        part: &mut Part,
        fetched: &mut usize,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<Remote> {
        let Download { tries, backoff, longest_wait, .. } = *self.options;
        let (mut failed, mut most) = (0, part.rows());
        loop {
            let (reason, asked_wait) = match self.attempt(there, part, fetched, progress) {
                Ok(remote) => return Ok(remote),
                Err(Failure::Fatal(error)) => return Err(error),
                Err(Failure::Passing { reason, retry_after }) => (reason, retry_after),
            };
            // A slow or often broken connection gets there in the end; one that brings nothing does not.
            failed = if part.rows() > most { 1 } else { failed + 1 };
            most = most.max(part.rows());
            if failed >= tries {
                return Err(Error::input(&self.url, format_args!("{reason}; given up after {failed} tries")));
            }
            let own_wait = backoff.saturating_mul(1 << (failed - 1).min(20));
            let wait = own_wait.max(asked_wait.unwrap_or_default()).min(longest_wait);
            progress(Progress::Retry { class: self.name, reason: &reason, next_try: failed + 1, tries, wait });
            thread::sleep(wait);
        }
    }

    /// Asks for the header and then for the rows that are missing.
    fn attempt(
        &self,
        there: usize,
        part: &mut Part,
        fetched: &mut usize,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<Remote, Failure> {
        let mut answer = self.client.get(&self.url, 0..remote::HEADER_ROOM, None)?.ok_or_else(|| {
            Error::input(&self.url, format_args!("404, no class {:?}, expected {CLASS_NAMES}", self.name))
        })?;
        let remote = Remote::read(&self.url, &mut answer)?;
        let wanted = self.wanted(&remote);
        if wanted > MOST_ROWS {
            let problem = format_args!("announces {wanted} drawings, expected at most {MOST_ROWS}, or a limit");
            return Err(Error::input(&self.url, problem).into());
        }
        memory::check((wanted * ROW) as u64, &self.url)?;
        if there >= wanted {
            return Ok(remote);
        }
        if part.remote() != Some(&remote) {
            part.restart(&remote)?;
        }
        if part.rows() >= wanted {
            return Ok(remote);
        }

        // The last row that is here comes again, and shows whether the rest belongs to it.
        let kept = part.drop_fragment()?;
        let first = part.rows() - kept.len() / ROW;
        let range = remote.row_start(first)..remote.row_start(wanted);
        if answer.is_part() {
            answer = self
                .client
                .get(&self.url, range.clone(), remote.validator.as_deref())?
                .ok_or_else(|| Failure::passing("404 for the drawings after 206 for their header"))?;
            if !remote.is_source_of(&answer) {
                return Err(Failure::passing("the file changed while it was read"));
            }
        }
        answer.skip_to(range.start)?;
        let mut again = vec![0; kept.len()];
        answer.read_exact(&mut again)?;
        if again != kept {
            part.restart(&remote)?;
            return Err(Failure::passing("the drawings are not those of the earlier run: from the start"));
        }

        let mut report = |part: &Part| {
            progress(Progress::Rows { class: self.name, done: part.rows(), wanted });
        };
        report(part);
        let mut buffer = vec![0; 1 << 16];
        let mut left = range.end - answer.position();
        while left > 0 {
            let room = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let read = answer.read(&mut buffer[..room])?;
            if read == 0 {
                return Err(Failure::passing(format_args!("the connection ended {left} bytes early")));
            }
            let before = part.rows();
            part.append(&buffer[..read])?;
            *fetched += part.rows() - before;
            left -= read as u64;
            report(part);
        }
        Ok(remote)
    }
}

/// Whether the images in the file at `path` are the first of `rows`.
fn begins_with(rows: &[u8], path: &Path) -> Result<bool> {
    Ok(matches!(load_images(path)?.pixels(), Pixels::U8(pixels) if rows.starts_with(pixels)))
}

/// Replaces all but letters, digits and `-._~` (RFC 3986, section 2.3).
fn percent_encode(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}
