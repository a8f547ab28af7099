import ArgumentParser
import ClusterModel
import RemoteShell
import RunEngine
import SSHTransport

struct HostsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "hosts",
        abstract: "Host keys: what hosts offer, and which are trusted.",
        subcommands: [HostsScanCommand.self, HostsTrustCommand.self]
    )
}

/// `hosts scan`: the keys that hosts offer, beside what known hosts says of them; trusts nothing.
struct HostsScanCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "scan",
        abstract: "Show the host keys that hosts offer."
    )

    @OptionGroup var cluster: ClusterOptions
    @Option(help: "Which hosts (selector).") var on: String = "all"

    func run() async throws {
        let surroundings = try Surroundings.current()
        let context = try ClusterContext.load(cluster, surroundings)
        let hosts = try Selection.hosts(on, in: context.cluster)
        var table = Table(("HOST", .left), ("KEY TYPE", .left), ("FINGERPRINT", .left), ("KNOWN HOSTS SAYS", .left))
        var entries: [JSONValue] = []
        var codes: [ExitCode] = []
        var words: Set<String> = []
        for host in hosts {
            do {
                for offered in try await context.connections.scan(host) {
                    let verdict = context.hostKeys.verdict(
                        forHost: host.ssh.hostKeyAlias ?? host.ssh.address,
                        port: host.ssh.hostKeyAlias == nil ? host.ssh.port : 22,
                        keyType: offered.type,
                        key: offered.key
                    )
                    let print = HostKeyFingerprint(ofKey: offered.key).description
                    let word = Self.word(for: verdict)
                    words.insert(word)
                    table.add(host.name.text, offered.type, print, word)
                    entries.append(
                        .object([
                            "host": .string(host.name.text), "type": .string(offered.type),
                            "fingerprint": .string(print),
                            "verdict": .string(word),
                        ])
                    )
                }
            } catch {
                codes.append(error.exitCode)
                Terminal.error(error.message.description)
            }
        }
        await context.connections.close()
        if cluster.state.format == .json {
            try JSONAnswer.print(.object(["v": .integer(1), "keys": .array(entries)]))
        } else {
            Terminal.answer(table.text)
            if let advice = Self.advice(for: words) { Terminal.answer("\n" + advice) }
        }
        if !codes.isEmpty {
            throw CommandEnding(
                code: entries.isEmpty ? ExitCode.mostSevere(codes) : ExitCode.mostSevere(codes + [.partial])
            )
        }
    }

    private static func word(for verdict: HostKeyVerdict) -> String {
        switch verdict {
        case .trusted: "trusted"
        case .unknown: "not known"
        case .changed: "CHANGED"
        case .revoked: "REVOKED"
        }
    }

    /// What to do about keys that are not all trusted.
    private static func advice(for words: Set<String>) -> String? {
        if words.contains("CHANGED") || words.contains("REVOKED") {
            return "A host answers with another key than the known one: find out why before anything else."
        }
        guard words.contains("not known") else { return nil }
        return
            "Compare a fingerprint with one you got another way, then: rollbook hosts trust HOST --fingerprint SHA256:…"
    }
}

/// `hosts trust HOST --fingerprint SHA256:…`: accepts one key, when the host really offers it.
struct HostsTrustCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "trust",
        abstract: "Accept one host key explicitly."
    )

    @Argument(help: "Host of the inventory.") var host: String
    @Option(help: "The fingerprint you were told, SHA256:….") var fingerprint: String
    @OptionGroup var cluster: ClusterOptions

    func run() async throws {
        let surroundings = try Surroundings.current()
        let context = try ClusterContext.load(cluster, surroundings)
        let wanted: HostKeyFingerprint
        do { wanted = try HostKeyFingerprint(parsing: fingerprint) } catch {
            throw OperatorMessage(.usage, at: "--fingerprint", "'\(error.text)' is no fingerprint", next: error.next)
        }
        guard let host = try Selection.hosts(host, in: context.cluster).first else {
            throw OperatorMessage(.usage, at: self.host, "there is no such host")
        }
        let offered = try await context.connections.scan(host)
        await context.connections.close()
        guard let key = offered.first(where: { HostKeyFingerprint(ofKey: $0.key) == wanted }) else {
            let list = offered.map { "\($0.type) \(HostKeyFingerprint(ofKey: $0.key))" }.joined(separator: ", ")
            throw OperatorMessage(
                .security,
                at: host.name.text,
                "it does not offer that key; it offers \(list)",
                state: "Nothing was trusted",
                next: "find out why before you trust anything"
            )
        }
        let blob: KnownHostsKey
        do { blob = try KnownHostsKey(blob: key.key) } catch {
            throw OperatorMessage(.security, at: host.name.text, error.text, state: "Nothing was trusted")
        }
        let outcome: KnownHostsAppender.Outcome
        do {
            // OpenSSH drops the port where an alias names the host.
            outcome = try KnownHostsAppender(paths: context.hostKeys.paths).trust(
                blob,
                forHost: host.ssh.hostKeyAlias ?? host.ssh.address,
                port: host.ssh.hostKeyAlias == nil ? host.ssh.port : 22
            )
        } catch {
            // The file knows the host by its address only.
            throw OperatorMessage(
                error.code,
                at: [host.name.text, error.place].compactMap(\.self).joined(separator: ": "),
                error.event,
                state: error.state,
                next: error.next
            )
        }
        switch outcome {
        case .added(_, let file):
            Terminal.answer("\(host.name): \(key.type) \(wanted) is trusted now (added to \(file))")
        case .alreadyTrusted: Terminal.answer("\(host.name): \(key.type) \(wanted) was trusted already")
        }
    }
}

/// Hosts by a selector given on the command line.
enum Selection {
    static func hosts(_ text: String, in cluster: Cluster) throws -> [Host] {
        do { return try HostSelector(text).hosts(in: cluster) } catch {
            throw OperatorMessage(.usage, at: text, "\(error)")
        }
    }
}
