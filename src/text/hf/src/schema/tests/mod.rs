// SPDX-License-Identifier: Apache-2.0
mod cases;
mod walk;

use serde_json::Value;

use super::{holds::holds, read::Reader, spot::Spot};
use walk::{accepts, compile, vocabulary, walk, End, Random};

const FAVOURED: [&[u8]; 8] = [b"", b",", b"\"", b"{[", b"}]", b"0123456789", b" \n\t", b"a,\"\\-"];

fn satisfies(schema: &Value, value: &Value) -> bool {
    let mut reader = Reader::new(schema);
    let root = reader.read(schema, &Spot::default()).expect("a schema that was compiled");
    holds(&reader.schemas, root, value)
}

#[test]
fn every_finished_answer_satisfies_its_schema_and_none_dies() {
    let vocabulary = vocabulary();
    for (i, schema) in cases::HONOURED.iter().enumerate() {
        let value: Value = serde_json::from_str(schema).expect(schema);
        let grammar = compile(&vocabulary, schema).unwrap_or_else(|fault| panic!("{schema}: {fault}"));
        let mut finished = 0;
        for (j, favoured) in FAVOURED.iter().enumerate() {
            for round in 0..3 {
                let mut random = Random(7 + (i * 100 + j * 10 + round) as u64 * 7919);
                match walk(&grammar, favoured, 200, &mut random) {
                    End::Dead(text) => panic!("{schema}: dead after {text}"),
                    End::Open(_) => {}
                    End::Finished(text) => {
                        finished += 1;
                        match serde_json::from_str(&text) {
                            Ok(answer) => assert!(satisfies(&value, &answer), "{schema}: {text}"),
                            // A number without limits may have any exponent, also one that Rust's numbers do not have.
                            Err(e) => assert!(e.to_string().contains("out of range"), "{schema}: {e}: {text}"),
                        }
                    }
                }
            }
        }
        assert!(finished > 0, "{schema}");
    }
}

#[test]
fn refusals_name_the_place_and_the_keyword() {
    let vocabulary = vocabulary();
    for (schema, message) in cases::REFUSED {
        let refused = compile(&vocabulary, schema).err();
        assert_eq!(refused.as_deref(), Some(*message), "{schema}");
    }
}

#[test]
fn texts_that_are_and_are_not_answers() {
    let vocabulary = vocabulary();
    for (schema, good, bad) in cases::TEXTS {
        let grammar = compile(&vocabulary, schema).unwrap_or_else(|fault| panic!("{schema}: {fault}"));
        for text in *good {
            assert!(accepts(&grammar, text), "{schema}: {text}");
        }
        for text in *bad {
            assert!(!accepts(&grammar, text), "{schema}: {text}");
        }
    }
}

/// Random limits, among them those that leave little room: what is written is within them.
#[test]
fn numbers_are_within_their_limits() {
    let vocabulary = vocabulary();
    let mut random = Random(20260505);
    let scales = [1.0, 1.0, 0.1, 0.001, 1000.0, 1e9];
    for round in 0..300 {
        let number = |random: &mut Random| (random.below(41) as f64 - 20.0) * scales[random.below(scales.len())] / 8.0;
        let (a, b) = (number(&mut random), number(&mut random));
        let low = ["minimum", "exclusiveMinimum"][random.below(2)];
        let high = ["maximum", "exclusiveMaximum"][random.below(2)];
        let kind = ["integer", "number"][random.below(2)];
        let mut schema = serde_json::json!({ "type": kind });
        if random.below(4) > 0 {
            schema[low] = a.min(b).into();
        }
        if random.below(4) > 0 {
            schema[high] = a.max(b).into();
        }
        if random.below(3) == 0 {
            schema["multipleOf"] = [1.0, 0.5, 0.25, 3.0, 0.01, 0.1][random.below(6)].into();
        }
        let text = schema.to_string();
        let Ok(grammar) = compile(&vocabulary, &text) else { continue };
        for favoured in [&b"0"[..], b"9", b".", b"-", b"1e"] {
            match walk(&grammar, favoured, 12, &mut random) {
                End::Dead(dead) => panic!("{round} {schema}: dead after {dead}"),
                End::Open(_) => {}
                End::Finished(answer) => match serde_json::from_str(&answer) {
                    Ok(value) => assert!(satisfies(&schema, &value), "{round} {schema}: {answer}"),
                    Err(e) => assert!(e.to_string().contains("out of range"), "{schema}: {e}: {answer}"),
                },
            }
        }
    }
}

#[test]
fn long_answers_go_on() {
    let vocabulary = vocabulary();
    for schema in [
        r#"{"type":"string","minLength":9000,"maxLength":20000}"#,
        r#"{"type":"string","pattern":"^[a-z ]*$","maxLength":5000}"#,
        r#"{"type":"array","items":{"type":"integer"},"minItems":5000}"#,
        r#"{"type":"object","additionalProperties":{"type":"boolean"},"minProperties":300}"#,
        r#"{"type":"object","patternProperties":{"^[a-z]+$":{"type":"boolean"}},"additionalProperties":false,"minProperties":300}"#,
    ] {
        let grammar = compile(&vocabulary, schema).unwrap_or_else(|fault| panic!("{schema}: {fault}"));
        let end = walk(&grammar, b"abcdefghi,", 30_000, &mut Random(5));
        match end {
            End::Dead(text) => panic!("{schema}: dead after {} bytes: {}", text.len(), &text[text.len().saturating_sub(100)..]),
            End::Finished(text) => println!("{schema}: {} bytes", text.len()),
            End::Open(text) => println!("{schema}: open after {} bytes", text.len()),
        }
    }
}
