//! Steps of several ranks, and what they pay for each other: the constants of docs/scaling.md.

use std::io::{self, Write};
use std::time::Instant;

use inkgrad_engine::optim::{Optimizer, Rule};
use inkgrad_engine::{Clock, Team};
use inkgrad_models::Result;
use inkgrad_models::data::{self, Examples};
use inkgrad_models::model::{Network, Spec};
use inkgrad_models::ranks::{Message, Ranks, Solo, agree, shares};
use inkgrad_models::run::config::{Config, Precision};
use inkgrad_models::trainer::Stepper;
use serde::Serialize;

use super::{SEED, WARM_UP, drawings_of_step, median, peak_rss_mib};
use crate::output::Report;

/// The measurements of rank 0.
#[derive(Debug, Serialize)]
pub struct Together {
    ranks: usize,
    /// Of each rank.
    hosts: Vec<String>,
    /// Of each rank.
    threads: usize,
    /// A message of some bytes to all, in microseconds.
    latency_us: f64,
    messages: Vec<Messages>,
    results: Vec<Step>,
}

/// Numbers that all ranks give each other, each the same share of them.
#[derive(Debug, Serialize)]
struct Messages {
    mib: f64,
    /// Every rank's share of all numbers to its owner, in milliseconds.
    exchange_ms: f64,
    /// Every owner's share to all.
    all_gather_ms: f64,
}

/// A model's steps.
#[derive(Debug, Serialize)]
struct Step {
    model: &'static str,
    parameters: usize,
    /// Of all ranks together.
    batch_size: usize,
    /// Parts of a step.
    accumulate: usize,
    /// Median, in milliseconds; `min` and `max` alike.
    ms_per_step: f64,
    min: f64,
    max: f64,
    images_per_s: f64,
    /// A step of one rank's drawings without the others, all ranks at the same time: the slowest median.
    alone_ms: f64,
    /// Of this process, the models before included.
    peak_rss_mib: Option<f64>,
}

/// A process among others, and how it measures.
pub struct Measure<'a> {
    pub ranks: &'a dyn Ranks,
    pub threads: usize,
    pub precision: Precision,
    pub batch: Option<usize>,
    pub drawings: usize,
    pub steps: usize,
}

impl Measure<'_> {
    /// Measures the messages, then the steps of each model.
    pub fn run(&self, specs: Vec<Spec>) -> Result<Together> {
        let hosts = self.ranks.all_gather_bytes(self.ranks.host().as_bytes());
        let hosts = hosts.iter().map(|host| String::from_utf8_lossy(host).into_owned()).collect();
        let latency_us = self.median_ms(200, || drop(self.ranks.all_gather_bytes(&[1]))) * 1e3;
        let messages = [1 << 12, 1 << 14, 1 << 16, 1 << 18, 1 << 20, 1 << 22].map(|numbers| self.messages(numbers));
        let results = specs.into_iter().map(|spec| self.step(spec)).collect::<Result<_>>()?;
        let (ranks, threads) = (self.ranks.size(), self.threads);
        Ok(Together { ranks, hosts, threads, latency_us, messages: messages.into(), results })
    }

    /// The median time of `work`, which all begin together.
    fn median_ms(&self, times: usize, mut work: impl FnMut()) -> f64 {
        let mut ms = Vec::with_capacity(times);
        for i in 0..times + WARM_UP {
            self.wait_for_all();
            let started = Instant::now();
            work();
            if i >= WARM_UP {
                ms.push(started.elapsed().as_secs_f64() * 1e3);
            }
        }
        median(&mut ms)
    }

    fn wait_for_all(&self) {
        self.ranks.all_gather_bytes(&[]);
    }

    fn messages(&self, numbers: usize) -> Messages {
        let (size, rank) = (self.ranks.size(), self.ranks.rank());
        let shares = shares(numbers, size);
        // To each other rank its share, from each this one's.
        let others = |len: usize, other: usize| if other == rank { 0 } else { len };
        let (mut to, mut from, mut values) =
            (vec![1.0; numbers], vec![0.0; shares[rank].len() * size], vec![1.0; numbers]);
        let exchange_ms = self.median_ms(15, || {
            let counts = shares.iter().enumerate().map(|(to, share)| (to, 0, others(share.len(), to)));
            let out = Message::cut(&mut to, counts);
            let into = Message::cut(&mut from, (0..size).map(|from| (from, 0, others(shares[rank].len(), from))));
            self.ranks.exchange_while(out, into, &mut |outbox| {
                (0..size).for_each(|message| outbox.send(message, &mut |_| {}));
            });
        });
        let all_gather_ms = self.median_ms(15, || self.ranks.all_gather(&mut values, &shares));
        Messages { mib: (numbers * size_of::<f32>()) as f64 / f64::from(1 << 20), exchange_ms, all_gather_ms }
    }

    fn step(&self, spec: Spec) -> Result<Step> {
        let model = spec.name;
        let made = data::builtin(self.drawings.div_ceil(4) * 5, SEED).and_then(|dataset| {
            let config = Config { classes: dataset.classes, ..Config::defaults(&spec) };
            let mut network = Network::new(spec, &config)?;
            network.initialise(SEED);
            Ok((dataset.train, network, self.batch.unwrap_or(config.batch_size)))
        });
        let (data, network, batch) = agree(self.ranks, made)?;
        let (size, parameters) = (self.ranks.size(), network.params.count());
        let pool = self.precision.pool(self.threads);
        let whole = 0..parameters;
        // A share of the step's drawings, nobody to talk to.
        let mut alone = Training {
            stepper: Stepper::default(),
            network: network.clone(),
            optimizer: Optimizer::of_share(Rule::Adam, None, parameters, whole),
            step: 0,
        };
        let own_batch = batch.div_ceil(size);
        let alone_ms = pool.enter(|team| alone.times(self, &data, own_batch, &Solo, team))?;
        let slowest = self.ranks.all_gather_bytes(&median(&mut alone_ms.clone()).to_le_bytes());
        let slowest = slowest.iter().filter_map(|bytes| Some(f64::from_le_bytes(bytes[..].try_into().ok()?)));
        let share = shares(parameters, size)[self.ranks.rank()].clone();
        let mut stepper = Stepper::default();
        stepper.accumulate = size;
        let mut together =
            Training { stepper, network, optimizer: Optimizer::of_share(Rule::Adam, None, parameters, share), step: 0 };
        let mut ms = pool.enter(|team| together.times(self, &data, batch, self.ranks, team))?;
        let ms_per_step = median(&mut ms);
        Ok(Step {
            model,
            parameters,
            batch_size: batch,
            accumulate: size,
            ms_per_step,
            min: ms[0],
            max: ms[ms.len() - 1],
            images_per_s: batch as f64 * 1e3 / ms_per_step,
            alone_ms: slowest.fold(0.0, f64::max),
            peak_rss_mib: peak_rss_mib(),
        })
    }
}

struct Training {
    stepper: Stepper,
    network: Network<f32>,
    optimizer: Optimizer<f32>,
    step: u64,
}

impl Training {
    /// The milliseconds of each step, those to warm up left out.
    fn times(
        &mut self,
        of: &Measure,
        data: &Examples,
        batch: usize,
        ranks: &dyn Ranks,
        team: &Team,
    ) -> Result<Vec<f64>> {
        let mut ms = Vec::with_capacity(of.steps);
        for i in 0..of.steps + WARM_UP {
            let drawings = drawings_of_step(self.step, batch, data.len());
            let clock = Clock { seed: SEED, step: self.step };
            of.wait_for_all();
            let started = Instant::now();
            let Training { stepper, network, optimizer, .. } = self;
            stepper.step_among(network, optimizer, data, &drawings, ranks, clock, 1e-3, team)?;
            if i >= WARM_UP {
                ms.push(started.elapsed().as_secs_f64() * 1e3);
            }
            self.step += 1;
        }
        Ok(ms)
    }
}

impl Report for Together {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let Together { ranks, threads, latency_us, .. } = self;
        writeln!(out, "{ranks} ranks of {threads} threads on {}", self.hosts.join(", "))?;
        writeln!(out, "a message of a byte to all: {latency_us:.1} µs")?;
        writeln!(out, "     MiB  exchange ms  all-gather ms")?;
        for Messages { mib, exchange_ms, all_gather_ms } in &self.messages {
            writeln!(out, "{mib:>8.3} {exchange_ms:>12.3} {all_gather_ms:>14.3}")?;
        }
        writeln!(
            out,
            "model       parameters  batch  ms/step      min      max  images/s  own part alone ms  peak MiB"
        )?;
        for step in &self.results {
            let Step { model, parameters, batch_size, ms_per_step, min, max, images_per_s, alone_ms, .. } = step;
            let peak = step.peak_rss_mib.map_or("?".to_owned(), |mib| format!("{mib:.0}"));
            write!(out, "{model:<10} {parameters:>11} {batch_size:>6} {ms_per_step:>8.2} {min:>8.2} {max:>8.2}")?;
            writeln!(out, " {images_per_s:>9.0} {alone_ms:>18.2} {peak:>9}")?;
        }
        Ok(())
    }
}
