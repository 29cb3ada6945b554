//! A run's events for TensorBoard: its settings, its records, and ten times over a run the network's drawings and the distribution of
//! its weights and latents.

use super::Trainer;
use crate::Result;
use crate::run::config::Config;
use crate::run::histogram::Histogram;
use crate::run::records::Record;
use crate::run::tensorboard::{EventFile, Setting};

/// How often pictures and histograms are shown over a run.
const TIMES: u64 = 10;

impl Trainer {
    /// Appends the records of a step, and what else is due then. The file is made with the first of them: a sitting that records
    /// nothing leaves none.
    pub(super) fn write_events(&mut self, records: &[Record]) -> Result<()> {
        let mut events = match self.events.take() {
            Some(events) => events,
            None => {
                let mut events = EventFile::create(self.folder.path())?;
                events.hyperparameters(&settings(&self.config), &["loss/train", "loss/val", "loss/test"])?;
                events
            }
        };
        for record in records {
            events.record(record)?;
        }
        let interval = if self.batches.by_epoch() { self.batches.steps_per_epoch() } else { self.config.log_every };
        let share = |step: u64| step.saturating_mul(TIMES) / self.total_steps();
        if share(self.step) > share(self.step.saturating_sub(interval)) {
            let pictures = self.pictures()?;
            pictures.iter().try_for_each(|(name, picture)| events.picture(self.step, name, picture))?;
            self.drawn = Some((self.step, pictures));
            self.write_histograms(&mut events)?;
            self.write_latents(&mut events)?;
        }
        self.events = Some(events);
        Ok(())
    }

    /// The values of each parameter, and on request its gradients of the last step.
    fn write_histograms(&self, events: &mut EventFile) -> Result<()> {
        let params = &self.network.params;
        for param in params.iter() {
            let gradient = self.config.log_gradients.then(|| ("gradients", &params.grads()[param.range()]));
            for (kind, numbers) in [("weights", params.value(param))].into_iter().chain(gradient) {
                if let Some(histogram) = Histogram::of(numbers) {
                    events.histogram(self.step, &format!("{kind}/{}", param.name), &histogram)?;
                }
            }
        }
        Ok(())
    }
}

/// A run's settings for the page that compares runs by them: all that one can be trained with otherwise.
fn settings(config: &Config) -> Vec<(String, Setting)> {
    let values = config.settings().into_iter().filter(|(_, value)| !value.is_empty());
    let setting = |text: String| match (text.parse::<f64>(), text.parse::<bool>()) {
        (Ok(number), _) => Setting::Number(number),
        (_, Ok(on)) => Setting::Flag(on),
        _ => Setting::Text(text),
    };
    values.map(|(name, value)| (name, setting(value))).collect()
}
