package import ClusterModel
package import RemoteShell
package import RunEngine

/// `preflight.sudo`: commands reach root, with all of root's rights, and will next time too.
///
/// A host where `sudo` refuses at once cannot be read at all and is blocked by that. What is looked for here is what works now
/// and not later, or only in part.
package struct CheckSudo: PreflightCheck {
    package static let check = CheckName.sudo
    package static let signature: KindSignature = described("Root is reached without a question, with all its rights")
    package let fix: Bool?

    package func facts(on target: StepTarget) -> [FactRequest] { [FactRequest(RootAccess(), on: target.name)] }

    /// Load balancers too.
    package func concerns(_ host: Host, in cluster: Cluster) -> Bool { true }

    package func assess(_ facts: any FactReader, on host: Host) async throws -> Assessment {
        let access = try await facts.read(RootAccess(), on: host.name)
        let user = access.login ?? host.ssh.user
        let rule = "\(user) ALL=(root) NOPASSWD: ALL"
        let remedy = "echo '\(rule)' >/etc/sudoers.d/rollbook && visudo -c"
        guard access.startsPrograms else {
            return .fail("sudo lets \(user)'s commands start no others (NOEXEC)", remedy: remedy)
        }
        guard access.user == 0 else {
            return .fail("commands run as user \(access.user), not as root", remedy: remedy)
        }
        guard access.missingCapabilities.isEmpty else {
            let missing = access.missingCapabilities.joined(separator: ", ")
            return .fail("root has not all its rights here: no \(missing)", remedy: "log in outside of any container")
        }
        guard access.login != nil else { return .ok("logged in as root") }
        let hasPassword = if case .sudoWithPassword = host.ssh.become { true } else { false }
        var remarks: [String] = []
        if !hasPassword, !access.rules.isEmpty, !access.rules.contains(where: Self.isUnasked) {
            remarks.append("sudo asks \(user) for a password, only not just now; add '\(rule)' to its rules")
        }
        if access.isInputRecorded {
            remarks.append("sudo records what commands are given on standard input (log_input), secrets too")
        }
        return remarks.isEmpty
            ? .ok("sudo makes \(user) root without a question") : .warn(remarks.joined(separator: "; "))
    }

    /// `(ALL : ALL) NOPASSWD: ALL`, or for the shell alone; `!authenticate` in the defaults is the same for all rules.
    private static func isUnasked(_ rule: String) -> Bool {
        rule == "!authenticate"
            || rule.contains("NOPASSWD:") && (rule.hasSuffix("ALL") || rule.contains("/bin/sh"))
    }
}

/// What commands that are sent as root really are on a host.
package struct RootAccess: Fact {
    package static let name = "host.root"

    package init() {}

    package struct Value: Codable, Sendable, Hashable {
        /// Whether the shell could start another program; if not, nothing else is known.
        package let startsPrograms: Bool
        /// The effective user id.
        package let user: Int
        /// Who logged in, when sudo made root of them.
        package let login: String?
        /// What sudo allows that user, a rule each, and `!authenticate` when it never asks.
        package let rules: [String]
        package let isInputRecorded: Bool
        package let missingCapabilities: [String]

        static func withoutPrograms(login: String?) -> Self {
            Self(
                startsPrograms: false,
                user: 0,
                login: login,
                rules: [],
                isInputRecorded: false,
                missingCapabilities: []
            )
        }
    }

    /// Without these, loading modules, mounting, firewalls or services do not work.
    ///
    /// Numbers: linux/capability.h.
    private static let capabilities: [(bit: Int, name: String)] = [
        (1, "CAP_DAC_OVERRIDE"), (12, "CAP_NET_ADMIN"), (19, "CAP_SYS_PTRACE"), (21, "CAP_SYS_ADMIN"),
        (22, "CAP_SYS_BOOT"),
    ]

    package var command: RemoteCommand {
        RemoteCommand(
            """
            echo '[user]'; id -u
            echo '[login]'; echo "${SUDO_USER:-}"
            echo '[sudo]'; [ -n "${SUDO_USER:-}" ] && LC_ALL=C COLUMNS=4096 sudo -n -l -U "$SUDO_USER" 2>/dev/null
            echo '[capabilities]'; sed -n 's/^CapEff:[[:space:]]*//p' /proc/self/status
            echo '[end]'
            """,
            as: .root
        )
    }

    package func parse(_ answer: ProbeBatch.Answer) throws -> Value {
        let output = SectionedOutput(answer)
        _ = try output.lines("end")
        let login = try output.line("login")
        // Under NOEXEC the shell runs, and its own `echo`, but neither id nor sudo.
        guard try !output.lines("user").isEmpty else { return .withoutPrograms(login: login.isEmpty ? nil : login) }
        guard let user = Int(try output.line("user")) else { throw IncompleteAnswer(section: "user") }
        guard let effective = UInt64(try output.line("capabilities"), radix: 16) else {
            throw IncompleteAnswer(section: "capabilities")
        }
        let listing = Listing(try output.lines("sudo"))
        return Value(
            startsPrograms: true,
            user: user,
            login: login.isEmpty ? nil : login,
            rules: listing.rules + (listing.defaults.contains("!authenticate") ? ["!authenticate"] : []),
            isInputRecorded: listing.defaults.contains("log_input"),
            missingCapabilities: Self.capabilities.filter { effective & (1 << UInt64($0.bit)) == 0 }.map(\.name)
        )
    }

    /// What `sudo -l` says of a user: lines of defaults behind the first heading, a rule a line behind the last one.
    private struct Listing {
        var defaults: [String] = []
        var rules: [String] = []

        init(_ lines: [String]) {
            var isRules = false
            for line in lines {
                if !line.hasPrefix(" ") {
                    isRules =
                        line.hasSuffix("commands on this host:") || line.contains("may run the following commands")
                } else if isRules {
                    rules.append(String(line.drop(while: \.isWhitespace)))
                } else {
                    defaults += line.split(separator: ",").map { String($0.drop(while: \.isWhitespace)) }
                }
            }
        }
    }
}
