//! Pictures read from files before they are needed, by threads that wait for the disk while others compute.

use std::collections::VecDeque;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread::{Builder, JoinHandle};

use super::Images;
use super::rows::Rows;
use crate::error::{Error, Result};

/// Threads that read. They sleep while a disk works, and several reads at once are what a solid-state disk needs to be fast.
const READERS: usize = 4;

/// A list of pictures, others whose memory they may have, and where they go.
type Request = (Vec<usize>, Option<Images>, Sender<Result<Images>>);

/// Where the pictures of a list come from.
type Reply = Receiver<Result<Images>>;

/// Reads lists of pictures in the order in which they are asked for.
#[derive(Debug)]
pub struct Ahead {
    rows: Rows,
    requests: Option<Sender<Request>>,
    /// Lists that were asked for and not yet taken, each with where its pictures come from; `None` where nobody reads ahead.
    pending: VecDeque<(Vec<usize>, Option<Reply>)>,
    readers: Vec<JoinHandle<()>>,
    /// Pictures that nobody needs any more.
    spare: Vec<Images>,
}

impl Ahead {
    /// Lists that may well be under way at a time: enough for all readers, twice.
    pub const DEPTH: usize = 2 * READERS;

    /// Starts the threads, or as many as the system allows; where it allows none, [`Ahead::take`] reads.
    pub fn new(rows: &Rows) -> Self {
        let (requests, receiver) = mpsc::channel::<Request>();
        let receiver = Arc::new(Mutex::new(receiver));
        let start = |n| {
            let (receiver, rows) = (Arc::clone(&receiver), rows.clone());
            let read = move || {
                loop {
                    // A statement of its own: the lock is given back before the disk is waited for.
                    let request = receiver.lock().map(|receiver| receiver.recv());
                    let Ok(Ok((indices, spare, to))) = request else { break };
                    // Nobody waits for it any more where this fails.
                    let _ = to.send(rows.read_into(&indices, spare));
                }
            };
            Builder::new().name(format!("reader-{n}")).spawn(read).ok()
        };
        let readers = (1..=READERS).map_while(start).collect();
        let (pending, spare) = (VecDeque::new(), Vec::new());
        Ahead { rows: rows.clone(), requests: Some(requests), pending, readers, spare }
    }

    /// Asks for the pictures at `indices`.
    pub fn ask(&mut self, indices: Vec<usize>) {
        let from = self.requests.as_ref().filter(|_| !self.readers.is_empty()).map(|requests| {
            let (to, from) = mpsc::channel();
            // Readers that are gone are told of by `take`.
            let _ = requests.send((indices.clone(), self.spare.pop(), to));
            from
        });
        self.pending.push_back((indices, from));
    }

    /// Takes pictures whose memory others may have.
    pub fn reuse(&mut self, images: Images) {
        if self.spare.len() < Self::DEPTH {
            self.spare.push(images);
        }
    }

    /// Lists that were asked for and not yet taken.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Waits for the list that was asked for first, and gives it with its pictures; `None` where none was.
    ///
    /// # Errors
    /// As [`Rows::read`].
    pub fn take(&mut self) -> Option<Result<(Vec<usize>, Images)>> {
        let (indices, from) = self.pending.pop_front()?;
        let images = match from {
            Some(from) => from.recv().unwrap_or_else(|_| Err(Error::input("data", "the threads that read it ended"))),
            None => self.rows.read(&indices),
        };
        Some(images.map(|images| (indices, images)))
    }

    /// Reads `lists` one after the other and gives each to `use_it` with its pictures, once those that were asked for before are
    /// taken.
    ///
    /// # Errors
    /// As [`Rows::read`], and those of `use_it`.
    pub fn each(
        &mut self,
        lists: impl Iterator<Item = Vec<usize>>,
        mut use_it: impl FnMut(&[usize], Images) -> Result<()>,
    ) -> Result<()> {
        let mut lists = lists.fuse();
        loop {
            while self.pending() < Self::DEPTH
                && let Some(list) = lists.next()
            {
                self.ask(list);
            }
            let Some(read) = self.take() else { return Ok(()) };
            let (indices, images) = read?;
            use_it(&indices, images)?;
        }
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.requests = None;
        self.pending.clear();
        // They end with what they are reading.
        self.readers.drain(..).for_each(|reader| drop(reader.join()));
    }
}

impl Rows {
    /// Gives `each` all pictures in their order, some at a time, and tells `watch` after each time how many are done.
    ///
    /// # Errors
    /// As [`Rows::read`], and those of `each`.
    pub fn in_turn(&self, mut each: impl FnMut(Images) -> Result<()>, mut watch: impl FnMut(usize)) -> Result<()> {
        /// Pictures at a time: near a mebibyte of drawings.
        const BLOCK: usize = 1 << 10;

        let (count, mut ahead, mut done) = (self.len(), Ahead::new(self), 0);
        let blocks = (0..count).step_by(BLOCK).map(|first| (first..count.min(first + BLOCK)).collect());
        ahead.each(blocks, |indices, images| {
            done += indices.len();
            each(images)?;
            watch(done);
            Ok(())
        })
    }
}
