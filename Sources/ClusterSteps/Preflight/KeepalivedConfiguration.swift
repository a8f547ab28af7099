/// What a keepalived configuration makes of a VIP: instances, checks, and what a failed check does.
///
/// Read is the text with its includes in place and other hosts' `@` lines left out. Source: keepalived.conf(5) of 2.2.
package struct KeepalivedConfiguration: Codable, Sendable, Hashable {
    /// A `vrrp_instance`.
    package struct Instance: Codable, Sendable, Hashable {
        package var name: String
        package var state = "BACKUP"
        package var routerID: Int?
        /// keepalived's own default is 100, for the owner of the address 255.
        package var priority = 100
        package var advertInterval = "1"
        package var isNoPreempt = false
        /// Without their lengths.
        package var addresses: [String] = []
        package var authType: String?
        /// Tells two passwords from each other, and cannot be turned back into one.
        package var authDigest: String?
        package var unicastPeers: [String] = []
        package var tracks: [Track] = []
    }

    /// Something that an instance watches.
    package struct Track: Codable, Sendable, Hashable {
        package var name: String
        /// 0 takes the instance to the FAULT state, others change its priority.
        package var weight: Int
    }

    package var instances: [Instance] = []

    /// The instance that brings an address up.
    package func instance(of vip: String) -> Instance? { instances.first { $0.addresses.contains(vip) } }

    /// Reads the lines of a configuration; what it does not know is left out, `keepalived -t` is who judges syntax.
    package init(_ lines: [String]) {
        var root = Block(words: [])
        var values: [String: String] = [:]
        var tokens: [Token] = []
        for line in lines {
            let code = line.prefix { $0 != "#" && $0 != "!" }
            if code.hasPrefix("$"), let equals = code.firstIndex(of: "=") {
                values[String(code[code.index(after: code.startIndex)..<equals])] = code[code.index(after: equals)...]
                    .filter { !$0.isWhitespace }
                continue
            }
            tokens += Self.tokens(code, values) + [.endOfLine]
        }
        var reader = tokens[...]
        root.read(&reader)
        let weights = root.blocks.reduce(into: [String: Int]()) { weights, block in
            guard ["vrrp_script", "vrrp_track_process", "vrrp_track_file"].contains(block.kind) else { return }
            weights[block.name] = block.number("weight") ?? (block.kind == "vrrp_track_file" ? 1 : 0)
        }
        instances = root.blocks.filter { $0.kind == "vrrp_instance" }.map { Self.instance($0, weights) }
        for group in root.blocks where group.kind == "vrrp_sync_group" {
            let members = group.blocks.first { $0.kind == "group" }?.lines.flatMap { $0 } ?? []
            let tracks = Self.tracks(group, weights)
            for index in instances.indices where members.contains(instances[index].name) {
                instances[index].tracks += tracks
            }
        }
    }

    private static func instance(_ block: Block, _ weights: [String: Int]) -> Instance {
        var instance = Instance(name: block.name)
        instance.state = block.value("state") ?? instance.state
        instance.routerID = block.number("virtual_router_id")
        instance.priority = block.number("priority") ?? instance.priority
        instance.advertInterval = block.value("advert_int") ?? instance.advertInterval
        instance.isNoPreempt = block.lines.contains(["nopreempt"])
        for child in block.blocks {
            switch child.kind {
            case "virtual_ipaddress", "virtual_ipaddress_excluded":
                instance.addresses += child.lines.compactMap { $0.first.map { String($0.prefix { $0 != "/" }) } }
            case "authentication":
                instance.authType = child.value("auth_type")
                instance.authDigest = child.value("auth_digest")
            case "unicast_peer": instance.unicastPeers += child.lines.compactMap(\.first)
            default: break
            }
        }
        instance.tracks = tracks(block, weights)
        return instance
    }

    private static func tracks(_ block: Block, _ weights: [String: Int]) -> [Track] {
        let kinds = ["track_script", "track_process", "track_file"]
        return block.blocks.filter { kinds.contains($0.kind) }.flatMap { tracking in
            tracking.lines.compactMap { words -> Track? in
                guard let name = words.first else { return nil }
                let own = words.firstIndex(of: "weight").flatMap { words.count > $0 + 1 ? Int(words[$0 + 1]) : nil }
                return Track(name: name, weight: own ?? weights[name] ?? 0)
            }
        }
    }

    private enum Token { case word(String), opens, closes, endOfLine }

    private static func tokens(_ line: Substring, _ values: [String: String]) -> [Token] {
        var isQuoted = false
        let spaced = line.reduce(into: "") { text, character in
            if character == "\"" { isQuoted.toggle() }
            switch character {
            case "{", "}": if !isQuoted { text += " \(character) " }
            default: text.append(character)
            }
        }
        return spaced.split(whereSeparator: \.isWhitespace).map { word in
            switch word {
            case "{": .opens
            case "}": .closes
            case _ where word.hasPrefix("$"): .word(values[String(word.dropFirst())] ?? String(word))
            default: .word(word.filter { $0 != "\"" })
            }
        }
    }

    /// A keyword with a body in braces; the opening brace may stand on the next line.
    private struct Block {
        let words: [String]
        var lines: [[String]] = []
        var blocks: [Block] = []

        init(words: [String]) { self.words = words }

        var kind: String { words.first ?? "" }
        var name: String { words.count > 1 ? words[1] : "" }

        func value(_ key: String) -> String? { lines.last { $0.first == key && $0.count > 1 }?[1] }
        func number(_ key: String) -> Int? { value(key).flatMap { Int($0) } }

        mutating func read(_ tokens: inout ArraySlice<Token>) {
            var line: [String] = []
            func isOpening(_ rest: ArraySlice<Token>) -> Bool {
                for token in rest {
                    switch token {
                    case .endOfLine: continue
                    case .opens: return true
                    default: return false
                    }
                }
                return false
            }
            while let token = tokens.popFirst() {
                switch token {
                case .word(let word): line.append(word)
                case .opens:
                    var child = Block(words: line)
                    line = []
                    child.read(&tokens)
                    blocks.append(child)
                case .closes:
                    if !line.isEmpty { lines.append(line) }
                    return
                case .endOfLine:
                    guard !line.isEmpty, !isOpening(tokens) else { continue }
                    lines.append(line)
                    line = []
                }
            }
        }
    }
}
