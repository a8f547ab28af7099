/// Which servers stand behind which port of HAProxy.
///
/// Source: HAProxy's configuration manual, sections 4 and 5.
package struct HAProxyBackends: Codable, Sendable, Hashable {
    package struct Server: Codable, Sendable, Hashable {
        package var name: String
        /// Without its port.
        package var address: String
        package var port: Int?
        package var isChecked: Bool
        package var isDisabled: Bool
    }

    /// A `bind` line's address and port.
    package struct Bind: Codable, Sendable, Hashable {
        package var address: String
        package var port: Int
        package var isTransparent: Bool
    }

    package struct Section: Codable, Sendable, Hashable {
        package var kind: String
        package var name: String
        package var binds: [Bind] = []
        package var backends: [String] = []
        package var servers: [Server] = []
        /// Servers that only the running program knows.
        package var hasTemplate = false
    }

    package var sections: [Section] = []

    /// The sections that accept connections on a port.
    package func accepting(_ port: Int) -> [Section] { sections.filter { $0.binds.contains { $0.port == port } } }

    /// The sections whose servers get what comes in on a port.
    package func behind(_ port: Int) -> [Section] {
        let accepting = accepting(port)
        let names = Set(accepting.flatMap(\.backends))
        return accepting.filter { $0.kind == "listen" }
            + sections.filter { $0.kind != "frontend" && names.contains($0.name) && $0.binds.isEmpty }
    }

    /// Reads the lines that head sections, and those about binds, servers and backends; others may be missing.
    package init(_ lines: [String]) {
        var commonCheck = false
        var ownCheck: Bool?
        for line in lines {
            let words = line.prefix { $0 != "#" }.split(whereSeparator: \.isWhitespace).map(String.init)
            guard let key = words.first else { continue }
            let last = sections.count - 1
            switch key {
            case "global", "defaults", "frontend", "backend", "listen":
                sections.append(Section(kind: key, name: words.count > 1 ? words[1] : ""))
                ownCheck = nil
                if key == "defaults" { commonCheck = false }
            case _ where last < 0: continue
            case "default-server":
                guard let check = Self.check(words) else { continue }
                if sections[last].kind == "defaults" { commonCheck = check } else { ownCheck = check }
            case "bind" where words.count > 1:
                let isTransparent = words.contains("transparent")
                sections[last].binds += words[1].split(separator: ",").compactMap { part in
                    let (address, port) = Self.endpoint(String(part))
                    return port.map { Bind(address: address, port: $0, isTransparent: isTransparent) }
                }
            case "server" where words.count > 2:
                let (address, port) = Self.endpoint(words[2])
                sections[last].servers.append(
                    Server(
                        name: words[1],
                        address: address,
                        port: port,
                        isChecked: Self.check(words.dropFirst(3)) ?? ownCheck ?? commonCheck,
                        isDisabled: words.dropFirst(3).contains("disabled")
                    )
                )
            case "server-template": sections[last].hasTemplate = true
            case "default_backend" where words.count > 1, "use_backend" where words.count > 1:
                sections[last].backends.append(words[1])
            default: continue
            }
        }
    }

    /// What a line says about checks, or nil; the last word counts.
    private static func check(_ words: some BidirectionalCollection<String>) -> Bool? {
        words.last { $0 == "check" || $0 == "no-check" }.map { $0 == "check" }
    }

    /// `*:6443`, `:6443`, `[::]:6443`, `:::6443`, `ipv4@10.1.1.5:6443`; no port for a socket's path.
    private static func endpoint(_ text: String) -> (address: String, port: Int?) {
        let plain = text.split(separator: "@", maxSplits: 1).last.map(String.init) ?? text
        guard let colon = plain.lastIndex(of: ":") else { return (plain, nil) }
        let address = plain[..<colon].filter { $0 != "[" && $0 != "]" }
        return (address.isEmpty ? "*" : address, Int(plain[plain.index(after: colon)...].prefix { $0.isNumber }))
    }
}
