//! Requests for a range of bytes, and their answers.

use std::fmt::Display;
use std::io::{self, Cursor, Read};
use std::ops::Range;
use std::thread::Builder;
use std::time::Duration;

use ureq::http::{HeaderMap, StatusCode, header};
use ureq::{Agent, Body, BodyReader};

use crate::error::{Error, Result};

/// Why a try failed.
pub(super) enum Failure {
    /// Another try would end the same way.
    Fatal(Error),
    /// Another try may do better.
    Passing {
        reason: String,
        /// Wait that the server asks for.
        retry_after: Option<Duration>,
    },
}

impl Failure {
    pub(super) fn passing(reason: impl Display) -> Self {
        Self::Passing { reason: reason.to_string(), retry_after: None }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Fatal(error)
    }
}

/// Only an answer's body ends in an error of this type.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::passing(format_args!("the connection broke: {error}"))
    }
}

/// Keeps connections open between requests.
pub(super) struct Client {
    agent: Agent,
}

impl Client {
    /// `patience`: the longest wait for a connection, and for the next bytes.
    pub(super) fn new(patience: Duration) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .user_agent(concat!("inkgrad/", env!("CARGO_PKG_VERSION")))
            .timeout_resolve(Some(patience))
            .timeout_connect(Some(patience))
            .timeout_per_read(Some(patience))
            .timeout_per_write(Some(patience))
            .build();
        Self { agent: config.into() }
    }

    /// Asks for the bytes in `range`; `None` if there is no such file. Where `validator` is given and no longer holds,
    /// or the server does not know ranges, the answer is the whole file.
    pub(super) fn get(&self, url: &str, range: Range<u64>, validator: Option<&str>) -> Result<Option<Answer>, Failure> {
        // Names are looked up on a thread, which the library takes for granted.
        let thread = Builder::new().spawn(|| ()).map(|thread| drop(thread.join()));
        thread.map_err(|error| Failure::Fatal(Error::input(url, format!("no thread to look it up with: {error}"))))?;
        let mut request = self
            .agent
            .get(url)
            // Ranges count bytes of what is sent, so it may not be compressed.
            .header(header::ACCEPT_ENCODING, "identity")
            .header(header::RANGE, format!("bytes={}-{}", range.start, range.end - 1));
        if let Some(validator) = validator {
            request = request.header(header::IF_RANGE, validator);
        }
        let (parts, body) = request.call().map_err(|error| classify(url, &error))?.into_parts();
        let fatal = |problem: String| Err(Failure::Fatal(Error::input(url, problem)));
        match parts.status {
            StatusCode::OK => Ok(Some(Answer::new(parts.headers, body, None))),
            StatusCode::PARTIAL_CONTENT => match content_range(&parts.headers) {
                Some((start, length)) if start == range.start => {
                    Ok(Some(Answer::new(parts.headers, body, Some((start, length)))))
                }
                _ => {
                    let found = text(&parts.headers, header::CONTENT_RANGE)
                        .map_or_else(|| "without a range".to_owned(), |found| format!("with the range {found:?}"));
                    fatal(format!("206 {found}, expected one from byte {}", range.start))
                }
            },
            StatusCode::NOT_FOUND => Ok(None),
            status
                if status.is_server_error()
                    || [StatusCode::TOO_MANY_REQUESTS, StatusCode::REQUEST_TIMEOUT].contains(&status) =>
            {
                let seconds = text(&parts.headers, header::RETRY_AFTER).and_then(|seconds| seconds.trim().parse().ok());
                Err(Failure::Passing {
                    reason: format!("the server answers {status}"),
                    retry_after: seconds.map(Duration::from_secs),
                })
            }
            status => fatal(format!("the server answers {status}, expected 206 or 200")),
        }
    }
}

/// Connections come back; a bad URL or certificate does not.
fn classify(url: &str, error: &ureq::Error) -> Failure {
    use ureq::Error as E;
    match error {
        E::Io(error) => Failure::passing(format_args!("no answer: {error}")),
        E::HostNotFound | E::ConnectionFailed | E::Timeout(_) | E::Protocol(_) | E::BodyStalled => {
            Failure::passing(format_args!("no answer: {error}"))
        }
        _ => Failure::Fatal(Error::input(url, format_args!("cannot be asked for: {error}"))),
    }
}

/// The start of `bytes START-END/LENGTH` and the length, which may be `*`.
fn content_range(headers: &HeaderMap) -> Option<(u64, Option<u64>)> {
    let (range, length) = text(headers, header::CONTENT_RANGE)?.trim().strip_prefix("bytes ")?.split_once('/')?;
    let start = range.split_once('-')?.0.trim().parse().ok()?;
    match length.trim() {
        "*" => Some((start, None)),
        length => Some((start, Some(length.parse().ok()?))),
    }
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// A file, or a part of it, as it comes.
pub(super) struct Answer {
    headers: HeaderMap,
    is_part: bool,
    /// Bytes of the whole file.
    length: Option<u64>,
    /// Where in the file the next byte read is.
    position: u64,
    /// Bytes that were looked at and not yet read.
    peeked: Cursor<Vec<u8>>,
    body: BodyReader<'static>,
}

impl Answer {
    /// `range`: the first byte and the file's length, if this is a part of it.
    fn new(headers: HeaderMap, body: Body, range: Option<(u64, Option<u64>)>) -> Self {
        let (position, length) = range.unwrap_or_else(|| (0, body.content_length()));
        let (peeked, body) = (Cursor::default(), body.into_reader());
        Self { headers, is_part: range.is_some(), length, position, peeked, body }
    }

    /// Whether this is the range asked for, not the whole file.
    pub(super) fn is_part(&self) -> bool {
        self.is_part
    }

    /// Bytes of the whole file, if the server says.
    pub(super) fn length(&self) -> Option<u64> {
        self.length
    }

    /// Where in the file the next byte read is.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    pub(super) fn content_type(&self) -> Option<&str> {
        text(&self.headers, header::CONTENT_TYPE)
    }

    /// The validator that `If-Range` may be asked with: a strong `ETag`, or when the file was last modified (RFC 9110, 13.1.5).
    pub(super) fn validator(&self) -> Option<&str> {
        let strong = text(&self.headers, header::ETAG).filter(|tag| !tag.starts_with("W/"));
        strong.or_else(|| text(&self.headers, header::LAST_MODIFIED))
    }

    /// The first bytes: `most` of them, or all to the end of the file. They are still there to be read.
    pub(super) fn peek(&mut self, most: u64) -> Result<Vec<u8>, Failure> {
        let mut start = Vec::new();
        self.body.by_ref().take(most).read_to_end(&mut start)?;
        let expected = self.length.map_or(0, |length| length.saturating_sub(self.position).min(most));
        if (start.len() as u64) < expected {
            return Err(Failure::passing(format_args!(
                "the connection ended after {} bytes, expected {expected}",
                start.len()
            )));
        }
        self.peeked = Cursor::new(start.clone());
        Ok(start)
    }

    /// Reads on to `position` in the file.
    pub(super) fn skip_to(&mut self, position: u64) -> Result<(), Failure> {
        let skip = position.saturating_sub(self.position);
        let skipped = io::copy(&mut self.by_ref().take(skip), &mut io::sink())?;
        if skipped < skip {
            return Err(Failure::passing(format_args!("the connection ended {} bytes early", skip - skipped)));
        }
        Ok(())
    }
}

impl Read for Answer {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut read = self.peeked.read(buffer)?;
        if read == 0 {
            read = self.body.read(buffer)?;
        }
        self.position += read as u64;
        Ok(read)
    }
}
