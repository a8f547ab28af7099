import ClusterModel
import Journal
import Testing

@Suite("Canonical JSON")
struct CanonicalJSONTests {
    @Test("a value has one text, with sorted keys and the shortest escapes")
    func oneText() {
        let value: JSONValue = .object([
            "b": .array([.null, .bool(true), .bool(false), .integer(-7), .unsigned(.max), .integer(.min)]),
            "a": .string("q\"\\\u{8}\t\n\u{c}\r\u{1}\u{1f}\u{7f}/é\u{1F600}"), "": .object([:]), "é": .array([]),
            "Z": .integer(0),
        ])
        let text = String(decoding: CanonicalJSON.bytes(of: value), as: UTF8.self)
        #expect(
            text
                == #"{"":{},"Z":0,"a":"q\"\\\b\t\n\f\r\u0001\u001f\#u{7f}/é😀","b":[null,true,false,-7,18446744073709551615,-9223372036854775808],"é":[]}"#
        )
    }

    @Test("keys are sorted by UTF-8 bytes, not by UTF-16 units")
    func sortedByBytes() {
        let value: JSONValue = .object(["\u{FFFD}": .null, "\u{10000}": .null])
        #expect(
            String(decoding: CanonicalJSON.bytes(of: value), as: UTF8.self) == "{\"\u{FFFD}\":null,\"\u{10000}\":null}"
        )
    }

    @Test(
        "text that a canonical writer would not write is refused",
        arguments: [
            "", " 1", "1 ", "01", "-0", "+1", "1.0", "1e3", "18446744073709551616", "-9223372036854775809", "nul",
            "truee", "[1,]",
            "[1 ,2]", "[", "[,1]", #"{"a":1,}"#, #"{"a" :1}"#, #"{"b":1,"a":2}"#, #"{"a":1,"a":2}"#, #"{a:1}"#,
            #"{"a"}"#, #"""#,
            #""\u0041""#, #""\u000a""#, #""\u001F""#, #""\/""#, #""\ud83d\ude00""#, #""\x""#, "\"\n\"", "\"\u{0}\"",
            "'a'", "NaN",
            "{\"\u{e9}\":1,\"e\u{301}\":2}", "{\"e\u{301}\":1,\"\u{e9}\":2}",
        ]
    )
    func refused(text: String) {
        #expect(throws: NotCanonical.self) { try CanonicalJSON.value(from: Array(text.utf8)) }
    }

    @Test("bytes that are not UTF-8 and too deep nesting are refused")
    func bytesRefused() throws {
        for bad: [UInt8] in [[0x22, 0xFF, 0x22], [0x22, 0xC0, 0x80, 0x22], [0x22, 0xED, 0xA0, 0x80, 0x22]] {
            #expect(throws: NotCanonical.self) { try CanonicalJSON.value(from: bad) }
        }
        let deep = { (levels: Int) in
            Array((String(repeating: "[", count: levels) + String(repeating: "]", count: levels)).utf8)
        }
        _ = try CanonicalJSON.value(from: deep(64))
        #expect(throws: NotCanonical.self) { try CanonicalJSON.value(from: deep(65)) }
        #expect(throws: NotCanonical.self) { try CanonicalJSON.value(from: [UInt8](repeating: 0x5B, count: 100_000)) }
    }

    @Test("1,000 random values are read back as they were written")
    func roundTrip() throws {
        var random = SplitMix64(seed: 1)
        for _ in 0..<1000 {
            let value = JSONValue.random(&random, depth: 0)
            #expect(try CanonicalJSON.value(from: CanonicalJSON.bytes(of: value)) == value)
        }
    }

    @Test("whatever is read after a random change of a byte is written again with the same bytes")
    func noSecondText() {
        var random = SplitMix64(seed: 2)
        var accepted = 0
        for _ in 0..<3000 {
            var bytes = CanonicalJSON.bytes(of: .random(&random, depth: 0))
            bytes[Int.random(in: bytes.indices, using: &random)] = UInt8.random(in: 0...255, using: &random)
            guard let value = try? CanonicalJSON.value(from: bytes) else { continue }
            accepted += 1
            #expect(CanonicalJSON.bytes(of: value) == bytes)
        }
        #expect(accepted > 100)
    }
}

extension JSONValue {
    static func random(_ random: inout SplitMix64, depth: Int) -> JSONValue {
        switch Int.random(in: 0..<(depth < 4 ? 8 : 6), using: &random) {
        case 0: return .null
        case 1: return .bool(Bool.random(using: &random))
        case 2: return .integer(Int64.random(in: -99...99, using: &random))
        case 3: return .integer(Int64(bitPattern: random.next()))
        case 4: return .unsigned(random.next() | 1 << 63)
        case 5: return .string(text(&random))
        case 6:
            return .array((0..<Int.random(in: 0...4, using: &random)).map { _ in .random(&random, depth: depth + 1) })
        default:
            let count = Int.random(in: 0...4, using: &random)
            return .object(
                Dictionary(
                    (0..<count).map { _ in (text(&random), JSONValue.random(&random, depth: depth + 1)) },
                    uniquingKeysWith: { first, _ in first }
                )
            )
        }
    }

    private static func text(_ random: inout SplitMix64) -> String {
        let scalars = "ab\"\\\n\t\u{0}\u{1b}\u{7f}é\u{301}e漢\u{1F600}\u{FFFD}:,{}[]/".unicodeScalars.map { $0 }
        var text = String.UnicodeScalarView()
        for _ in 0..<Int.random(in: 0...6, using: &random) {
            text.append(scalars[Int.random(in: scalars.indices, using: &random)])
        }
        return String(text)
    }
}
