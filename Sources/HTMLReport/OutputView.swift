import ClusterModel
import FoundationEssentials
import Journal

/// A value as a person reads it: short members beside their names, long ones below, and nothing longer than the page can bear.
struct OutputView {
    /// Most bytes of one long text.
    static let longest = 8 * 1024
    /// What is longer than this gets a box of its own.
    private static let shortest = (text: 96, structure: 40)

    private let value: JSONValue
    /// Where all of it is, for the note below what was cut.
    private let place: String

    init(_ value: JSONValue, place: String) {
        self.value = value
        self.place = place
    }

    /// Nil when there is nothing to show.
    var fields: Fields? {
        var short: [Fields] = []
        var long: [Fields] = []
        for (name, member) in members {
            let text = Self.text(of: member)
            let limit = member.stringValue == nil ? Self.shortest.structure : Self.shortest.text
            if text.utf8.count <= limit, !text.contains("\n") {
                if text != "null" { short.append(["name": name, "value": text]) }
            } else {
                long.append(box(name, Self.readable(member)))
            }
        }
        guard !short.isEmpty || !long.isEmpty else { return nil }
        return ["short": short, "hasShort": !short.isEmpty, "long": long]
    }

    private var members: [(String, JSONValue)] {
        switch value {
        case .null: []
        case .object(let members): members.sorted { $0.key < $1.key }
        default: [("result", value)]
        }
    }

    private func box(_ name: String, _ text: String) -> Fields {
        let (shown, cut) = Self.cut(text, to: Self.longest)
        let note = cut ? "the first \(shown.utf8.count) of \(text.utf8.count) bytes; all of it is in \(place)" : nil
        return ["name": name, "text": shown, "note": optional(note)]
    }

    /// At most `limit` bytes of a text, whole characters only, and whether there was more.
    static func cut(_ text: String, to limit: Int) -> (shown: String, isCut: Bool) {
        guard text.utf8.count > limit else { return (text, false) }
        var bytes = Array(text.utf8.prefix(limit + 1))
        // The byte behind the limit tells whether a character ends there.
        while let next = bytes.popLast(), next & 0xC0 == 0x80 {}
        return (String(decoding: bytes, as: UTF8.self), true)
    }

    /// One line: a text without quotes, anything else as JSON.
    static func text(of value: JSONValue) -> String {
        if case .string(let text) = value { return text }
        return String(decoding: CanonicalJSON.bytes(of: value), as: UTF8.self)
    }

    private static func readable(_ value: JSONValue) -> String {
        if case .string(let text) = value { return text }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes, .prettyPrinted]
        guard let data = try? encoder.encode(value) else { return text(of: value) }
        return String(decoding: data, as: UTF8.self)
    }
}
