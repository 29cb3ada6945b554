//! Ranks that are threads of one process: to try and to test what others do over a network.

use std::ops::Range;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use inkgrad_kernels::cpu::bytes::{from_little_endian, little_endian};

use super::Ranks;

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

impl Ranks for Thread {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.to.len()
    }

    fn host(&self) -> String {
        format!("thread {}", self.rank)
    }

    fn all_gather_bytes(&self, own: &[u8]) -> Vec<Vec<u8>> {
        self.talk(std::iter::repeat_with(|| own.to_vec()))
    }

    fn exchange(&self, to: &[f32], counts: &[usize], from: &mut [f32], expected: &[usize]) {
        let mut rest = to;
        let messages = counts.iter().map(|&count| {
            let (own, others) = rest.split_at(count);
            rest = others;
            bytes(own)
        });
        let received = self.talk(messages);
        let lengths: Vec<usize> = received.iter().map(|message| message.len() / size_of::<f32>()).collect();
        assert_eq!(lengths, expected, "numbers from each rank");
        from.iter_mut().zip(received.iter().flat_map(|message| numbers(message))).for_each(|(to, number)| *to = number);
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
            // To rank q: q + 1 numbers.
            let to: Vec<f32> = (0..3).flat_map(|q| vec![10.0 * own + q as f32; q + 1]).collect();
            let mut from = vec![0.0; 3 * (ranks.rank() + 1)];
            ranks.exchange(&to, &[1, 2, 3], &mut from, &[ranks.rank() + 1; 3]);
            let mut values = [own; 4];
            ranks.all_gather(&mut values, &[0..1, 1..1, 1..4]);
            (from, values, ranks.gather(&[own, -own], &[2; 3]))
        });
        assert_eq!(found[1].0, [1.0, 1.0, 11.0, 11.0, 21.0, 21.0]);
        assert!(found.iter().all(|(_, values, _)| *values == [0.0, 2.0, 2.0, 2.0]));
        assert_eq!(found[0].2, [0.0, -0.0, 1.0, -1.0, 2.0, -2.0]);
        assert!(found[1].2.is_empty());
    }
}
