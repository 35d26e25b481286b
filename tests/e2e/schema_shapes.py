# SPDX-License-Identifier: Apache-2.0
"""Random schemas in the shapes that pydantic, zod and OpenAPI generators write."""

NAMES = ["id", "name", "tags", "nested value", "\u00fcber", "x-y", "$ref-like", "a/b", "t~t", "n", "kind of"]
TEXTS = ["a", "b c", "\u00e9\n\"", "x\\y", "red", ""]
PATTERNS = ["^[A-Z]{2}-[0-9]{3}$", "^(red|green|blue)$", "^\\d{4}-\\d{2}$", "^[a-f]{1,6}$", "^\\S+$", "ab", "^x", "\\.json$", "^[\\w.+-]+@[\\w-]+$"]
FORMATS = ["date", "date-time", "time", "uuid", "ipv4", "ipv6", "email", "uri", "binary", "password", "byte", "int64", "json-pointer", "hostname", "path", "regex"]
REMARKS = {"title": "T", "description": "D", "deprecated": True, "readOnly": True, "examples": [1, "x"], "$comment": "c", "default": None, "x-order": 3,
           "contentEncoding": "base64", "externalDocs": {"url": "https://example.com"}, "xml": {"name": "n"}}


class Shapes:
    """One schema: `style` is the generator whose ways it has; `definitions` are filled as it goes."""

    def __init__(self, rng, style=None):
        self.rng = rng
        self.style = style or rng.choice(["pydantic", "zod", "openapi"])
        self.place = {"pydantic": "$defs", "zod": "definitions", "openapi": "$defs"}[self.style]
        self.definitions = {}

    def chance(self, p):
        return self.rng.random() < p

    def remarks(self):
        return {k: REMARKS[k] for k in self.rng.sample(list(REMARKS), self.rng.randrange(3))} if self.chance(0.3) else {}

    def schema(self):
        schema = self.object(0) if self.chance(0.8) else self.any_of(0)
        if self.definitions:
            schema[self.place] = self.definitions
        if self.chance(0.3):
            schema["$schema"] = self.rng.choice(["http://json-schema.org/draft-07/schema#", "https://json-schema.org/draft/2020-12/schema"])
        return schema

    def value(self, depth):
        kinds = [self.string, self.number, self.enum, self.const, self.plain, self.nullable]
        if depth < 3:
            kinds += [self.object, self.array, self.map, self.any_of, self.union, self.tuple, self.ref, self.all_of]
        return {**self.rng.choice(kinds)(depth), **self.remarks()}

    def plain(self, _depth):
        return self.rng.choice([{"type": "boolean"}, {"type": "null"}, {"type": ["integer", "null"], "minimum": 0, "maximum": 9}, {"type": "boolean", "nullable": True}])

    def string(self, _depth):
        kind = self.rng.randrange(4)
        if kind == 0:
            return {"type": "string", "pattern": self.rng.choice(PATTERNS), **({"maxLength": 40} if self.chance(0.5) else {})}
        if kind == 1:
            return {"type": "string", "format": self.rng.choice(FORMATS)}
        low = self.rng.randrange(4)
        return {"type": "string", "minLength": low, "maxLength": low + self.rng.randrange(8)}

    def number(self, _depth):
        low, more = self.rng.randrange(-60, 60), self.rng.randrange(1, 90)
        kind = self.rng.choice(["integer", "number"])
        schema = {"type": kind, "minimum": low, "maximum": low + more}
        form = self.rng.randrange(6)
        if form == 0:
            return {"type": kind, "minimum": low, "exclusiveMinimum": True, "maximum": low + more} if self.style == "openapi" and False else \
                {"type": kind, "exclusiveMinimum": low, "maximum": low + more}
        if form == 1:
            return {"type": kind, "minimum": low, "exclusiveMaximum": low + more + 1}
        if form == 2:
            return {**schema, "multipleOf": self.rng.choice([1, 0.5, 0.25, 0.01, 0.1])}
        if form == 3:
            return {"type": "number", "exclusiveMinimum": low / 8, "exclusiveMaximum": (low + more) / 8}
        if form == 4:
            return {"type": "integer", "minimum": -9007199254740991, "maximum": self.rng.choice([9007199254740991, 2**63 - 1, 2**31 - 1])}
        return schema

    def enum(self, _depth):
        values = self.rng.sample([*TEXTS, 1, -2.5, None, True, 2**53, ["x"], {"k": 0}], self.rng.randrange(1, 5))
        texts = [v for v in values if isinstance(v, str)]
        return {"type": "string", "enum": values} if texts and self.chance(0.5) else {"enum": values}

    def const(self, _depth):
        value = self.rng.choice(["fixed", 7, None, False, {"a": [1, "x"]}, 0.1])
        return {"const": value, "type": "string"} if isinstance(value, str) else {"const": value}

    def nullable(self, depth):
        return {"anyOf": [self.value(depth + 1), {"type": "null"}], "default": None}

    def any_of(self, depth):
        return {"anyOf": [self.value(depth + 1) for _ in range(self.rng.randrange(1, 4))]}

    def array(self, depth):
        low = self.rng.randrange(3)
        return {"type": "array", "items": self.value(depth + 1), "minItems": low, "maxItems": low + self.rng.randrange(3)}

    def tuple(self, depth):
        items = [self.value(depth + 1) for _ in range(self.rng.randrange(1, 3))]
        if self.style == "pydantic":
            return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}
        return {"type": "array", "prefixItems": items, "items": self.rng.choice([False, {"type": "boolean"}]), "minItems": len(items), "maxItems": 4}

    def map(self, depth):
        values = self.rng.choice([{"type": "integer", "minimum": 0, "maximum": 9}, {"type": "boolean"}]) if self.chance(0.7) else self.value(depth + 1)
        form = self.rng.randrange(6)
        if form == 0:
            return {"type": "object", "patternProperties": {self.rng.choice(PATTERNS): values}, **({"additionalProperties": False} if self.chance(0.7) else {})}
        if form == 1:
            return {"type": "object", "propertyNames": {"enum": self.rng.sample(NAMES, 3)}, "additionalProperties": values}
        if form == 2:
            return {"type": "object", "propertyNames": {"pattern": self.rng.choice(PATTERNS)}, "additionalProperties": values}
        if form == 3:
            return {"type": "object", "additionalProperties": values, "minProperties": self.rng.randrange(3), "maxProperties": 3}
        if form == 4:
            return {"type": "object", "propertyNames": {"type": "string", "minLength": 1, "maxLength": 3}, "additionalProperties": values}
        return {"type": "object", "additionalProperties": values}

    def object(self, depth):
        names = self.rng.sample(NAMES, self.rng.randrange(1, 5))
        schema = {"type": "object", "properties": {n: self.value(depth + 1) for n in names}, "required": [n for n in names if self.chance(0.6)]}
        if self.chance(0.6):
            schema["additionalProperties"] = self.rng.choice([False, False, False, True, {"type": "integer"}])
        if self.chance(0.15):
            schema["patternProperties"] = {f"^{names[0].replace('$', '[$]')}$": {}, "^x-": {"type": "string", "maxLength": 3}}
        if self.chance(0.1):
            schema["minProperties"] = self.rng.randrange(len(schema["required"]), len(names) + 1)
        if self.chance(0.1):
            schema["maxProperties"] = self.rng.randrange(max(len(schema["required"]), schema.get("minProperties", 0)), 6)
        if self.chance(0.1) and len(names) > 1:
            schema["dependentRequired"] = {names[0]: [names[1]]}
        return schema

    def ref(self, depth):
        name = self.rng.choice(["Box<string>", "a/b", "T~1", "Node", "Plain", "per%cent"])
        if name not in self.definitions:
            self.definitions[name] = True
            self.definitions[name] = self.node(name) if name == "Node" else self.value(depth + 1)
        escaped = name.replace("~", "~0").replace("/", "~1").replace("%", "%25").replace("<", "%3C").replace(">", "%3E")
        return {"$ref": f"#/{self.place}/{escaped}"}

    def node(self, name):
        again = {"$ref": f"#/{self.place}/{name}"}
        following = self.rng.choice([{"anyOf": [again, {"type": "null"}], "default": None}, {"type": "array", "items": again, "maxItems": 2}, again])
        return {"type": "object", "properties": {"value": {"type": "integer", "minimum": 0, "maximum": 9}, "next": following}, "required": ["value"],
                "additionalProperties": False}

    def all_of(self, depth):
        return {"allOf": [self.ref(depth)], "description": "with a sibling"}

    def union(self, depth):
        """Members told apart by a tag, which pydantic leaves optional where it has a default."""
        tag, members = self.rng.choice(["kind", "type"]), []
        for i in range(self.rng.randrange(2, 4)):
            properties = {tag: {"const": f"m{i}", "default": f"m{i}", "type": "string"}, f"v{i}": self.value(depth + 1)}
            member = {"type": "object", "properties": properties, "required": [f"v{i}"] + ([tag] if self.chance(0.5) else [])}
            self.definitions[f"M{len(self.definitions)}"] = member
            members.append({"$ref": f"#/{self.place}/M{len(self.definitions) - 1}"})
        return {"oneOf": members, "discriminator": {"propertyName": tag}}
