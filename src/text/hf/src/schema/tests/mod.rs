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
