//! The texts that sockets send, from templates: pure functions of the plan, the number of the message or socket, and
//! when it is due.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::plan::{Message, Sockets};
use crate::clock::time_of_day_ms;
use crate::plan::PlanError;
use crate::random;
use crate::record::block::Role;
use crate::record::recorder::Recorder;
use crate::template::{Template, Value, Values};

const UUID_STREAMS: [u64; 2] = [0x0011_D000, 0x0012_D000];
const RANDOM_STREAM: u64 = 0x0013_D000;

#[derive(Debug)]
struct Text {
    label: usize,
    is_binary: bool,
    template: Template,
}

/// See the module.
#[derive(Debug)]
pub struct Messages {
    /// All of these when a socket is open.
    subscribe: Vec<Text>,
    /// And one of these.
    subscriptions: Vec<Text>,
    /// Those that have due times of their own.
    messages: Vec<Text>,
    rows: Vec<Vec<String>>,
    seed: u64,
    /// The text that was written last.
    pub written: Vec<u8>,
}

impl Messages {
    /// Those of a plan.
    pub fn new(plan: &Sockets, recorder: &Recorder) -> Result<Self, PlanError> {
        let columns = plan.rows.first().map_or(0, Vec::len);
        let mut labels: HashMap<String, usize> = HashMap::new();
        let mut read = |messages: &[Message]| -> Result<Vec<Text>, PlanError> {
            let texts = messages.iter().map(|message| {
                let text = if message.binary {
                    let refuse = |error| PlanError(format!("sockets: {}: expected base64: {error}", message.label));
                    STANDARD.decode(&message.text).map_err(refuse)?
                } else {
                    message.text.clone().into_bytes()
                };
                let template = Template::parse(&text, message.encoding);
                if template.values().any(|value| matches!(value, Value::Column(column) if column >= columns)) {
                    return Err(PlanError(format!("sockets: {}: a column that the rows have not", message.label)));
                }
                let label = labels.entry(message.label.clone());
                let label = *label.or_insert_with_key(|name| recorder.label(name, Role::Request));
                Ok(Text { label, is_binary: message.binary, template })
            });
            texts.collect()
        };
        Ok(Self {
            subscribe: read(&plan.subscribe)?,
            subscriptions: read(&plan.subscriptions)?,
            messages: read(&plan.messages)?,
            rows: plan.rows.clone(),
            seed: plan.seed,
            written: Vec::new(),
        })
    }

    /// How many texts socket `number` sends when it is open.
    pub fn count_first(&self) -> usize {
        self.subscribe.len() + usize::from(!self.subscriptions.is_empty())
    }

    /// Writes one of them. Its label, and whether it is sent as bytes.
    pub fn write_first(&mut self, place: usize, filling: Filling) -> (usize, bool) {
        let own = |count: usize| (filling.number % count as u64) as usize;
        let text = self.subscribe.get(place).unwrap_or_else(|| &self.subscriptions[own(self.subscriptions.len())]);
        write(text, &self.rows, self.seed, filling, &mut self.written);
        (text.label, text.is_binary)
    }

    /// The label of message `number`.
    pub fn label(&self, number: u64) -> usize {
        self.messages[(number % self.messages.len() as u64) as usize].label
    }

    /// Writes message `number`. Whether it is sent as bytes.
    pub fn write(&mut self, filling: Filling) -> bool {
        let text = &self.messages[(filling.number % self.messages.len() as u64) as usize];
        write(text, &self.rows, self.seed, filling, &mut self.written);
        text.is_binary
    }
}

/// What a text is filled with.
#[derive(Clone, Copy, Debug)]
pub struct Filling {
    /// The number of the message, or of the socket whose first texts these are.
    pub number: u64,
    /// The socket.
    pub connection: u64,
    /// When it is due.
    pub due_ns: u64,
}

/// Writes a text.
fn write(text: &Text, rows: &[Vec<String>], seed: u64, filling: Filling, into: &mut Vec<u8>) {
    let Filling { number, connection, due_ns } = filling;
    let uuid = UUID_STREAMS.map(|stream| u128::from(random::bits(seed ^ stream, number)));
    let values = Values {
        row: if rows.is_empty() { &[] } else { &rows[(number % rows.len() as u64) as usize] },
        number,
        uuid: uuid[0] << 64 | uuid[1],
        random: random::bits(seed ^ RANDOM_STREAM, number),
        timestamp_ms: time_of_day_ms(),
        length: 0,
        due_ns,
        connection,
    };
    into.clear();
    text.template.write(&values, into);
}
