//! Ranks that are threads of one process: to try and to test what others do over a network.

use std::ops::Range;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use inkgrad_kernels::cpu::bytes::{from_little_endian, little_endian};

use super::{Message, Outbox, Ranks};

/// One thread of several.
#[derive(Debug)]
pub struct Thread {
    rank: usize,
    /// To each rank, this one too.
    to: Vec<Sender<Vec<u8>>>,
    /// From each.
    from: Mutex<Vec<Receiver<Vec<u8>>>>,
}

/// Calls `work` on `size` threads, each a rank, and gives what they return, in their order.
///
/// # Panics
/// If one of them does.
pub fn run<R: Send>(size: usize, work: impl Fn(Thread) -> R + Sync) -> Vec<R> {
    thread::scope(|scope| {
        let work = &work;
        let started: Vec<_> = ranks(size).into_iter().map(|rank| scope.spawn(move || work(rank))).collect();
        let ended = started.into_iter().map(|thread| thread.join());
        ended.map(|value| value.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    })
}

fn ranks(size: usize) -> Vec<Thread> {
    let mut to: Vec<Vec<Sender<Vec<u8>>>> = (0..size).map(|_| Vec::new()).collect();
    // One receiver after the other, so that each sender has its ends in their order.
    let receivers = (0..size).map(|_| {
        let ends = to.iter_mut().map(|to| {
            let (sender, receiver) = channel();
            to.push(sender);
            receiver
        });
        ends.collect()
    });
    let from: Vec<Vec<Receiver<Vec<u8>>>> = receivers.collect();
    to.into_iter().zip(from).enumerate().map(|(rank, (to, from))| Thread { rank, to, from: from.into() }).collect()
}

impl Thread {
    /// Sends a message to each and gives what each sent to this one.
    fn talk(&self, messages: impl Iterator<Item = Vec<u8>>) -> Vec<Vec<u8>> {
        // One that has panicked hears nothing.
        self.to.iter().zip(messages).for_each(|(to, message)| drop(to.send(message)));
        let from = self.from.lock().expect("no thread that has panicked");
        from.iter().map(|from| from.recv().expect("a rank that has not panicked")).collect()
    }
}

fn bytes(numbers: &[f32]) -> Vec<u8> {
    little_endian(numbers).collect::<Vec<_>>().concat()
}

fn numbers(bytes: &[u8]) -> impl Iterator<Item = f32> {
    from_little_endian(bytes).into_iter()
}

/// The messages that are not sent yet.
struct Out<'a> {
    to: &'a [Sender<Vec<u8>>],
    unsent: Vec<Option<Message<'a>>>,
}

impl Outbox for Out<'_> {
    fn send(&mut self, message: usize, write: &mut dyn FnMut(&mut [f32])) {
        let Message { rank, tag, numbers } = self.unsent[message].take().expect("a message that was not sent");
        write(numbers);
        if !numbers.is_empty() {
            // One that has panicked hears nothing.
            drop(self.to[rank].send([&tag.to_le_bytes(), &bytes(numbers)[..]].concat()));
        }
    }
}

impl Ranks for Thread {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.to.len()
    }

    fn local(&self) -> usize {
        self.rank
    }

    fn host(&self) -> String {
        format!("thread {}", self.rank)
    }

    fn all_gather_bytes(&self, own: &[u8]) -> Vec<Vec<u8>> {
        self.talk(std::iter::repeat_with(|| own.to_vec()))
    }

    fn exchange_while(&self, out: Vec<Message>, into: Vec<Message>, work: &mut dyn FnMut(&mut dyn Outbox)) {
        let mut out = Out { to: &self.to, unsent: out.into_iter().map(Some).collect() };
        work(&mut out);
        super::expect_sent(&out.unsent);
        let from = self.from.lock().expect("no thread that has panicked");
        let mut into: Vec<Message> = into.into_iter().filter(|message| !message.numbers.is_empty()).collect();
        while let Some(rank) = into.last().map(|message| message.rank) {
            let received = from[rank].recv().expect("a rank that has not panicked");
            let (tag, received) = received.split_at(size_of::<usize>());
            let is_it = |message: &Message| message.rank == rank && message.tag.to_le_bytes() == *tag;
            let message = into.swap_remove(into.iter().position(is_it).expect("a message that is expected"));
            assert_eq!(received.len(), size_of_val(message.numbers), "bytes of a message");
            message.numbers.iter_mut().zip(numbers(received)).for_each(|(to, number)| *to = number);
        }
    }

    fn all_gather(&self, values: &mut [f32], shares: &[Range<usize>]) {
        let own = bytes(&values[shares[self.rank].clone()]);
        for (message, share) in self.talk(std::iter::repeat_with(|| own.clone())).iter().zip(shares) {
            values[share.clone()].iter_mut().zip(numbers(message)).for_each(|(to, number)| *to = number);
        }
    }

    fn gather(&self, own: &[f32], counts: &[usize]) -> Vec<f32> {
        let message = |to: usize| if to == 0 { bytes(own) } else { Vec::new() };
        let received = self.talk((0..self.size()).map(message));
        let all: Vec<f32> = received.iter().flat_map(|message| numbers(message)).collect();
        assert!(self.rank > 0 || all.len() == counts.iter().sum::<usize>(), "{counts:?} numbers expected");
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_from_each_in_order() {
        let found = run(3, |ranks| {
            let own = ranks.rank() as f32;
            let others = || (0..3).filter(|&q| q != ranks.rank());
            // To rank q: q + 1 numbers, the last message first; from each in the other order.
            let (mut to, mut from) = (vec![vec![0.0; 3]; 3], vec![vec![0.0; ranks.rank() + 1]; 3]);
            let out: Vec<Message> = to
                .iter_mut()
                .enumerate()
                .filter(|(q, _)| *q != ranks.rank())
                .map(|(q, numbers)| Message { rank: q, tag: 7 * q, numbers: &mut numbers[..=q] })
                .collect();
            let into = from
                .iter_mut()
                .enumerate()
                .filter(|(q, _)| *q != ranks.rank())
                .map(|(q, numbers)| Message { rank: q, tag: 7 * ranks.rank(), numbers })
                .collect();
            ranks.exchange_while(out, into, &mut |outbox| {
                for (message, q) in others().enumerate().collect::<Vec<_>>().into_iter().rev() {
                    outbox.send(message, &mut |numbers| numbers.fill(10.0 * own + q as f32));
                }
            });
            let mut values = [own; 4];
            ranks.all_gather(&mut values, &[0..1, 1..1, 1..4]);
            (from, values, ranks.gather(&[own, -own], &[2; 3]))
        });
        assert_eq!(found[1].0, [[1.0; 2], [0.0; 2], [21.0; 2]]);
        assert!(found.iter().all(|(_, values, _)| *values == [0.0, 2.0, 2.0, 2.0]));
        assert_eq!(found[0].2, [0.0, -0.0, 1.0, -1.0, 2.0, -2.0]);
        assert!(found[1].2.is_empty());
    }
}
