/// Who is told of runs, from the `notify:` section of an inventory.
///
/// It is not part of `Cluster`: plans store that, and addresses of webhooks are often secrets.
package struct NotifyPolicy: Sendable, Hashable {
    /// What may be told of.
    package enum Occasion: String, Sendable, Hashable, CaseIterable { case start, success, partial, failure }
    /// What a webhook understands.
    package enum Preset: String, Sendable, Hashable, CaseIterable { case generic, slack }

    /// An address, or the file on the controller that holds it.
    package enum Address: Sendable, Hashable {
        case url(WebAddress)
        case file(String)
    }

    /// Which runs are told of.
    package struct Filter: Sendable, Hashable {
        package var on: Set<Occasion>
        /// Names of runbooks; empty for all.
        package var runbooks: [String]

        package init(on: Set<Occasion> = [.failure, .partial], runbooks: [String] = []) {
            self.on = on
            self.runbooks = runbooks
        }

        package func passes(_ occasion: Occasion, of runbook: String) -> Bool {
            on.contains(occasion) && (runbooks.isEmpty || runbooks.contains(runbook))
        }
    }

    package struct Webhook: Sendable, Hashable {
        package let address: Address
        package let preset: Preset
        /// Holds the key of the signature; nil for none.
        package let secretFile: String?
        package let filter: Filter

        package init(address: Address, preset: Preset = .generic, secretFile: String? = nil, filter: Filter = Filter())
        {
            self.address = address
            self.preset = preset
            self.secretFile = secretFile
            self.filter = filter
        }
    }

    package struct Command: Sendable, Hashable {
        /// The program's absolute path, and its arguments.
        package let words: [String]
        package let filter: Filter

        package init(words: [String], filter: Filter = Filter()) {
            self.words = words
            self.filter = filter
        }
    }

    /// A dead-man switch: it is told of every start and every end, and misses what does not come.
    package struct Ping: Sendable, Hashable {
        package let address: Address
        package let filter: Filter

        package init(address: Address, runbooks: [String] = []) {
            self.address = address
            filter = Filter(on: Set(Occasion.allCases), runbooks: runbooks)
        }
    }

    package var webhooks: [Webhook] = []
    package var commands: [Command] = []
    package var pings: [Ping] = []
    /// File for node_exporter's textfile collector on the controller, or nil.
    package var metricsFile: String?

    package init() {}
}

/// An http or https address; described by its origin only, for the rest is often a capability.
package struct WebAddress: Sendable, Hashable, CustomStringConvertible {
    package let text: String

    /// Returns nil for what is no such address, or has characters that an address cannot have.
    package init?(_ text: String) {
        let isPlain = text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && !"\"'`<>\\{}|^".utf8.contains($0) }
        let scheme = ["https://", "http://"].first { text.hasPrefix($0) }
        guard let scheme, isPlain, text.utf8.count > scheme.utf8.count, text.utf8.count <= 2048 else { return nil }
        self.text = text
    }

    /// `https://hooks.example.org/…`.
    package var description: String {
        let parts = text.split(separator: "/", maxSplits: 2, omittingEmptySubsequences: false)
        let authority = parts.count > 2 ? parts[2].prefix { !"/?#".contains($0) } : ""
        let host = authority.split(separator: "@").last ?? ""
        return "\(parts[0])//\(host)/…"
    }
}
