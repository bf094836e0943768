//! Filters of subscriptions: which events pass, by their data. Must not know channels or connections.
//!
//! ```text
//! filter    = {FIELD: condition, …, "and": [filter, …], "or": [filter, …], "not": filter}      all must hold
//! condition = VALUE | {"eq" | "ne": VALUE, "gt" | "gte" | "lt" | "lte": NUMBER or TEXT, "in": [VALUE, …]}
//! ```
//!
//! A field that is missing meets no condition, `ne` included.

use std::cmp::Ordering;

use serde_json::{Map, Value};

const MOST_CONDITIONS: usize = 100;
const MOST_DEPTH: usize = 8;

/// A filter that makes sense.
#[derive(Debug, PartialEq)]
pub(crate) enum Filter {
    All(Vec<Filter>),
    Any(Vec<Filter>),
    Not(Box<Filter>),
    Field { name: Box<str>, test: Test },
}

/// What a field must be.
#[derive(Debug, PartialEq)]
pub(crate) enum Test {
    Equal(Value),
    Unequal(Value),
    In(Vec<Value>),
    /// Compares in this way to that bound.
    Ordered(Order, Value),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

impl Filter {
    /// The filter that a client sent, or what is wrong with it.
    pub(crate) fn read(value: &Value) -> Result<Self, String> {
        let mut conditions = 0;
        filter(value, "filter", 0, &mut conditions)
    }

    pub(crate) fn passes(&self, data: &Value) -> bool {
        match self {
            Filter::All(parts) => parts.iter().all(|part| part.passes(data)),
            Filter::Any(parts) => parts.iter().any(|part| part.passes(data)),
            Filter::Not(part) => !part.passes(data),
            Filter::Field { name, test } => data.get(&**name).is_some_and(|value| test.holds(value)),
        }
    }
}

impl Test {
    fn holds(&self, value: &Value) -> bool {
        match self {
            Test::Equal(wanted) => equal(value, wanted),
            Test::Unequal(unwanted) => !equal(value, unwanted),
            Test::In(wanted) => wanted.iter().any(|one| equal(value, one)),
            Test::Ordered(order, bound) => compare(value, bound).is_some_and(|found| match order {
                Order::Greater => found.is_gt(),
                Order::GreaterOrEqual => found.is_ge(),
                Order::Less => found.is_lt(),
                Order::LessOrEqual => found.is_le(),
            }),
        }
    }
}

fn equal(a: &Value, b: &Value) -> bool {
    compare(a, b).map_or_else(|| a == b, Ordering::is_eq)
}

/// Numbers by their value, however they are written; texts by their bytes; nothing else has an order.
fn compare(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => match (a.as_i128(), b.as_i128()) {
            (Some(a), Some(b)) => Some(a.cmp(&b)),
            _ => a.as_f64()?.partial_cmp(&b.as_f64()?),
        },
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

fn filter(value: &Value, place: &str, depth: usize, conditions: &mut usize) -> Result<Filter, String> {
    let Value::Object(fields) = value else {
        return Err(format!("{place}: expected an object such as {{\"value\": {{\"gt\": 1000}}}}"));
    };
    if depth == MOST_DEPTH {
        return Err(format!("{place}: nested too deep"));
    }
    let mut parts = Vec::with_capacity(fields.len());
    for (name, value) in fields {
        let place = format!("{place}.{name}");
        let mut list = || -> Result<Vec<Filter>, String> {
            let Value::Array(filters) = value else {
                return Err(format!("{place}: expected a list of filters"));
            };
            let numbered = filters.iter().enumerate();
            numbered.map(|(at, one)| filter(one, &format!("{place}[{at}]"), depth + 1, conditions)).collect()
        };
        match name.as_str() {
            "and" => parts.push(Filter::All(list()?)),
            "or" => parts.push(Filter::Any(list()?)),
            "not" => parts.push(Filter::Not(Box::new(filter(value, &place, depth + 1, conditions)?))),
            _ => tests(name, value, &place, &mut parts)?,
        }
        *conditions += 1;
        if *conditions > MOST_CONDITIONS {
            return Err(format!("filter: more than {MOST_CONDITIONS} conditions"));
        }
    }
    Ok(if parts.len() == 1 { parts.remove(0) } else { Filter::All(parts) })
}

fn tests(name: &str, value: &Value, place: &str, parts: &mut Vec<Filter>) -> Result<(), String> {
    let mut add = |test| parts.push(Filter::Field { name: name.into(), test });
    match value {
        Value::Object(operators) => {
            for test in operators_of(operators, place)? {
                add(test);
            }
        }
        Value::Array(_) => return Err(format!("{place}: expected a value, or {{\"in\": […]}}")),
        value => add(Test::Equal(value.clone())),
    }
    Ok(())
}

fn operators_of(operators: &Map<String, Value>, place: &str) -> Result<Vec<Test>, String> {
    if operators.is_empty() {
        return Err(format!("{place}: expected a condition such as {{\"gt\": 1000}}"));
    }
    let one = |(name, value): (&String, &Value)| {
        let ordered = |order| match value {
            Value::Number(_) | Value::String(_) => Ok(Test::Ordered(order, value.clone())),
            _ => Err(format!("{place}.{name}: expected a number or a text")),
        };
        match (name.as_str(), value) {
            ("eq", value) => Ok(Test::Equal(value.clone())),
            ("ne", value) => Ok(Test::Unequal(value.clone())),
            ("in", Value::Array(values)) if values.len() <= MOST_CONDITIONS => Ok(Test::In(values.clone())),
            ("in", _) => Err(format!("{place}.in: expected a list of up to {MOST_CONDITIONS} values")),
            ("gt", _) => ordered(Order::Greater),
            ("gte", _) => ordered(Order::GreaterOrEqual),
            ("lt", _) => ordered(Order::Less),
            ("lte", _) => ordered(Order::LessOrEqual),
            _ => Err(format!("{place}.{name}: expected eq, ne, gt, gte, lt, lte or in")),
        }
    };
    operators.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn events_pass_or_do_not() {
        let data = json!({"from": "0x1", "value": 500, "gas": 21_000.0, "big": u64::MAX});
        for (wanted, passes) in [
            (json!({}), true),
            (json!({"from": "0x1"}), true),
            (json!({"from": "0x2"}), false),
            (json!({"from": "0x1", "value": {"gt": 499, "lte": 500}}), true),
            (json!({"from": "0x1", "value": {"gt": 500}}), false),
            (json!({"gas": 21_000}), true),
            (json!({"big": u64::MAX - 1}), false),
            (json!({"big": {"gt": u64::MAX - 1}}), true),
            (json!({"from": {"gte": "0x0", "lt": "0x2"}}), true),
            (json!({"from": {"gt": 0}}), false),
            (json!({"value": {"in": [1, 500]}}), true),
            (json!({"value": {"ne": 1}}), true),
            (json!({"missing": {"ne": 1}}), false),
            (json!({"not": {"missing": 1}}), true),
            (json!({"or": [{"value": 1}, {"and": [{"from": "0x1"}, {"not": {"value": {"lt": 10}}}]}]}), true),
            (json!({"or": []}), false),
            (json!({"and": []}), true),
        ] {
            let filter = Filter::read(&wanted).unwrap_or_else(|error| panic!("{wanted}: {error}"));
            assert_eq!(filter.passes(&data), passes, "{wanted}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        for (wrong, place) in [
            (json!([]), "filter:"),
            (json!({"or": {"a": 1}}), "filter.or:"),
            (json!({"and": [{"a": 1}, 2]}), "filter.and[1]:"),
            (json!({"not": 1}), "filter.not:"),
            (json!({"value": {"above": 1}}), "filter.value.above:"),
            (json!({"value": {"gt": null}}), "filter.value.gt:"),
            (json!({"value": {"in": 1}}), "filter.value.in:"),
            (json!({"value": {}}), "filter.value:"),
            (json!({"value": [1]}), "filter.value:"),
        ] {
            let error = Filter::read(&wrong).expect_err("malformed");
            assert!(error.starts_with(place), "{wrong}: {error}");
        }
        let deep = (0..9).fold(json!({}), |inner, _| json!({"not": inner}));
        assert!(Filter::read(&deep).expect_err("too deep").ends_with("nested too deep"));
        let many = Value::Array((0..101).map(|number| json!({"a": number})).collect());
        assert!(Filter::read(&json!({"or": many})).expect_err("too many").contains("more than 100"));
    }
}
