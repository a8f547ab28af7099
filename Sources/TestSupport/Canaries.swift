package import Foundation

/// Secrets that a test gives away wherever a secret can be given, to look for them afterwards wherever none may be.
package struct Canaries: Sendable {
    /// Where a canary was given, and its text.
    package struct Bird: Sendable, Hashable {
        package let name: String
        package let text: String
    }

    /// Every form of every canary, made once.
    private var wanted: [(bird: String, form: String, bytes: Data)] = []
    package private(set) var birds: [Bird] = []
    private var random: SplitMix64

    package init(seed: UInt64) { random = SplitMix64(seed: seed) }

    /// A new secret; with `plain`, one of letters and digits only, for places that take nothing else.
    package mutating func secret(_ name: String, plain: Bool = false) -> String {
        let letters = Array("abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789")
        let word = String((0..<20).map { _ in letters[Int.random(in: 0..<letters.count, using: &random)] })
        let text = plain ? "canary\(word)" : "canary \"\(word)\" /+&=%<'\\é"
        take(name, text)
        return text
    }

    /// Takes up a secret that another program made, such as an age identity.
    package mutating func take(_ name: String, _ text: String) {
        birds.append(Bird(name: name, text: text))
        wanted += Self.forms(of: text).map { (name, $0.form, $0.wanted) }
    }

    /// A canary that was seen where none may be.
    package struct Sighting: Sendable, Hashable, CustomStringConvertible {
        package let bird: String
        package let form: String
        package let place: String
        package var description: String { "\(bird), \(form), in \(place)" }
    }

    /// The canaries in `bytes`: as they are, and as base64, URL-encoded, JSON-escaped and in hexadecimal.
    package func sightings(in bytes: Data, at place: String) -> [Sighting] {
        guard !bytes.isEmpty else { return [] }
        return wanted.compactMap { bird, form, wanted in
            bytes.range(of: wanted) == nil ? nil : Sighting(bird: bird, form: form, place: place)
        }
    }

    /// The canaries in the files below `folder`, and in their names; files of `except` are left out, whole folders too.
    package func sightings(below folder: String, except: [String] = []) -> [Sighting] {
        let names = FileManager.default.enumerator(atPath: folder)?.compactMap { $0 as? String } ?? []
        return names.filter { name in !except.contains { name == $0 || name.hasPrefix($0 + "/") } }.flatMap { name in
            let path = folder + "/" + name
            return sightings(in: Data(name.utf8), at: "the name of \(path)")
                + sightings(in: FileManager.default.contents(atPath: path) ?? Data(), at: path)
        }
    }

    /// The five forms, shortened at their ends where what stands beside the secret changes them.
    package static func forms(of text: String) -> [(form: String, wanted: Data)] {
        let bytes = Data(text.utf8)
        let base64 = (0..<3).map { shift in
            // A secret within a longer text begins at any of three offsets; the first and last letters depend on its neighbours.
            let shifted = (Data(repeating: 0, count: shift) + bytes).base64EncodedString()
            return ("base64", Data(shifted.filter { $0 != "=" }.dropFirst(shift == 0 ? 0 : 4).dropLast(3).utf8))
        }
        let escaped = text.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? text
        let json = [true, false].map { slashes in
            var json = text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
            if slashes { json = json.replacing("/", with: "\\/") }
            return ("JSON", Data(json.utf8))
        }
        let hex = bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        return [("plain", bytes), ("URL", Data(escaped.utf8))] + base64 + json
            + [("hexadecimal", Data(hex.utf8)), ("hexadecimal", Data(hex.uppercased().utf8))]
    }
}
