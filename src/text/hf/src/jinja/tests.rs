// SPDX-License-Identifier: Apache-2.0
//! What is easily got wrong: scopes, undefined values, the bounds of integers. What is expected is what Jinja2 gives.

use super::Template;

/// None: it is refused.
fn rendered(source: &str) -> Option<String> {
    let context = r#"{"one": 1, "items": ["a", "b"], "text": "ab", "none": null, "map": {"k": 1}}"#;
    Template::compile(source).and_then(|template| template.render(context)).ok()
}

fn check(cases: &[(&str, Option<&str>)]) {
    for (source, expected) in cases {
        assert_eq!(rendered(source).as_deref(), *expected, "{source}");
    }
}

#[test]
fn names_are_looked_up_as_jinja_scopes_them() {
    check(&[
        ("{% set x = 1 %}{% for i in items %}{% set x = x + 1 %}{{ x }}{% endfor %}{{ x }}", Some("221")),
        ("{% for i in items %}{% set y = i %}{% endfor %}{{ y is defined }}", Some("False")),
        ("{% set ns = namespace(n=0) %}{% for i in items %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}", Some("2")),
        ("{% if true %}{% set z = 5 %}{% endif %}{{ z }}", Some("5")),
        ("{% if false %}{% set z = 5 %}{% endif %}{{ z is defined }}{{ z }}", Some("False")),
        ("{% macro m(a, b=a) %}{{ a }}{{ b }}{{ one }}{% set one = 9 %}{% endmacro %}{{ m('x') }}{{ one }}", Some("xx11")),
        ("{% macro m() %}{{ later }}{% endmacro %}{% set later = 3 %}{{ m() }}", Some("3")),
        ("{% for i in items %}{% macro m() %}{{ i }}{% endmacro %}{{ m() }}{% endfor %}", Some("ab")),
        ("{% for one in items %}{{ one }}{% endfor %}{{ one }}", Some("ab1")),
        ("{% with a = 1, b = a %}{{ a }}{{ b }}{% endwith %}{{ a is defined }}", Some("1False")),
        ("{% set v %}in {{ one }}{% endset %}{{ v }}", Some("in 1")),
        ("{% macro outer() %}{% macro inner() %}{{ caller() }}{% endmacro %}{% call inner() %}{{ one }}{% endcall %}{% endmacro %}{{ outer() }}", Some("1")),
        ("{% for i in [1, 2] recursive %}{{ i }}{% if i == 1 %}{{ loop([7]) }}{% endif %}{% endfor %}{{ i is defined }}", Some("172False")),
        ("{% for i in [] %}{% else %}{% set q = 1 %}{{ q }}{% endfor %}{{ q is defined }}", Some("1False")),
        ("{% set loop = 4 %}{% for i in items %}{{ loop.index }}{% endfor %}{{ loop }}", Some("124")),
        ("{% filter upper %}{% set w = 'w' %}{{ w }}{% endfilter %}{{ w is defined }}", Some("WFalse")),
    ]);
}

#[test]
fn undefined_values_are_empty_where_jinja_lets_them_be() {
    check(&[
        ("{{ missing }}|{{ map.missing }}|{{ text.missing }}", Some("||")),
        ("{{ missing | default('d') }}{{ none | default('d') }}{{ none | default('d', true) }}", Some("dNoned")),
        ("{{ missing | length }}{{ missing | list }}{{ missing | join }}", Some("0[]")),
        ("{{ missing | upper }}|{{ missing | trim }}|{{ missing | string }}", Some("||")),
        ("{{ missing.deeper }}", None),
        ("{{ missing + 1 }}", None),
        ("{{ 'a' + missing }}", None),
        ("{{ 'a' ~ missing }}", Some("a")),
        ("{{ missing | int }}", None),
        ("{{ missing | abs }}", None),
        ("{{ missing | tojson }}", None),
        ("{{ missing | first }}", Some("")),
        ("{% for x in missing %}x{% else %}none{% endfor %}", Some("none")),
        ("{% for x in none %}x{% endfor %}", None),
        ("{{ missing == missing }}{{ missing == none }}{{ missing is none }}{{ not missing }}", Some("TrueFalseFalseTrue")),
        ("{{ items | map(attribute='x') | list }}", Some("[Undefined, Undefined]")),
        ("{{ items[9] }}|{{ items[9] is defined }}", Some("|False")),
        ("{{ missing[0] }}", None),
        ("{{ missing in items }}{{ 'a' in missing }}", Some("FalseFalse")),
        ("{{ items | selectattr('x') | list }}{{ items | select('equalto', 'b') | first }}", Some("[]b")),
        ("{{ missing() }}", None),
        ("{{ none.x }}", Some("")),
        ("{{ [missing] | length }}{{ {'a': missing} | tojson }}", None),
        ("{{ missing | replace('a', 'b') }}", Some("")),
        ("{{ -missing }}", None),
        ("{{ missing < 1 }}", None),
        ("{{ (missing or {}).x }}", Some("")),
        ("{{ missing | items | list }}", Some("[]")),
    ]);
}

#[test]
fn integers_are_pythons() {
    check(&[
        ("{{ 170141183460469231731687303715884105727 }}", Some("170141183460469231731687303715884105727")),
        ("{{ -170141183460469231731687303715884105727 - 1 }}", Some("-170141183460469231731687303715884105728")),
        ("{{ 7 // -2 }}{{ -7 // 2 }}{{ -7 % 3 }}{{ 7 % -3 }}", Some("-4-42-2")),
        ("{{ 2 ** 100 }}", Some("1267650600228229401496703205376")),
        ("{{ 2 ** -1 }}", Some("0.5")),
        ("{{ 5 | round(-1) }}|{{ 15 | round(-1) }}|{{ 25 | round(-1) }}|{{ -5 | round(-1) }}", Some("0|20|20|0")),
        ("{{ 123 | round(-50) }}", Some("0")),
        ("{{ 1e3 | int }}", Some("1000")),
        ("{{ true + true }}", Some("2")),
        ("{{ range(3, -3, -2) | list }}", Some("[3, 1, -1]")),
        ("{{ range(10)[1:6:2] }}{{ range(10)[5:2] }}{{ range(0, 10, 3)[:] }}", Some("range(1, 6, 2)range(5, 2)range(0, 12, 3)")),
        ("{{ range(10)[::-3] }}{{ range(10)[::-3] | list }}", Some("range(9, -1, -3)[9, 6, 3, 0]")),
        ("{{ range(9, 0, -2)[1:3] }}{{ range(9, 0, -2)[::-1] | list }}", Some("range(7, 3, -2)[1, 3, 5, 7, 9]")),
        ("{{ range(1, 100)[::170141183460469231731687303715884105727] | list }}", Some("[1]")),
        ("{{ range(5)[-170141183460469231731687303715884105727 - 1] }}", Some("")),
        ("{{ '\u{e4}b'[-170141183460469231731687303715884105727 - 1] }}", Some("")),
        ("{{ range(5)[-170141183460469231731687303715884105727 - 1:170141183460469231731687303715884105727] }}", Some("range(0, 5)")),
        ("{{ 'abc'[-10:10] }}", Some("abc")),
        ("{{ 'abc'[::-1] }}", Some("cba")),
        ("{{ 9007199254740993 }}", Some("9007199254740993")),
        ("{{ 9007199254740993 * 1.0 }}", Some("9007199254740992.0")),
        ("{{ '0x1f' | int(0, 16) }}", Some("31")),
        ("{{ '9' * 3 }}", Some("999")),
        ("{{ 10 ** 15 / 3 }}", Some("333333333333333.3")),
        ("{{ 1 // 0 }}", None),
        ("{{ range(100001) | length }}", None),
        ("{{ 'ab' | truncate(170141183460469231731687303715884105727, leeway=170141183460469231731687303715884105727) }}", Some("ab")),
        ("{{ 'abc'[-170141183460469231731687303715884105727:170141183460469231731687303715884105727] }}", Some("abc")),
        ("{{ range(170141183460469231731687303715884105727, 170141183460469231731687303715884105727 - 9, -4) | list }}", Some("[170141183460469231731687303715884105727, 170141183460469231731687303715884105723, 170141183460469231731687303715884105719]")),
    ]);
}

/// Python's have none; ours say so instead of giving another number.
#[test]
fn integers_beyond_their_bounds_are_refused() {
    for source in [
        "{{ -(-170141183460469231731687303715884105727 - 1) }}",
        "{{ (-170141183460469231731687303715884105727 - 1) | abs }}",
        "{{ 170141183460469231731687303715884105727 + 1 }}",
        "{{ 170141183460469231731687303715884105727 * 2 }}",
        "{{ 2 ** 127 }}",
        "{{ range(0, 9, 2)[::170141183460469231731687303715884105727] }}",
        "{{ range(0, 9, 2)[::-170141183460469231731687303715884105727 - 1] }}",
        "{{ range(170141183460469231731687303715884105727 - 9, 170141183460469231731687303715884105727, 4)[:] }}",
        "{{ range(-170141183460469231731687303715884105727, -170141183460469231731687303715884105727 + 9, 4)[::-1] }}",
        "{{ 170141183460469231731687303715884105727 | round(-38) }}",
        "{{ 1e40 | int }}",
        "{{ '%d' % 1e40 }}",
        "{{ (-170141183460469231731687303715884105727 - 1) // -1 }}",
    ] {
        let error = Template::compile(source).and_then(|template| template.render("{}")).expect_err(source);
        assert!(error.contains("too large"), "{source}: {error}");
    }
}
