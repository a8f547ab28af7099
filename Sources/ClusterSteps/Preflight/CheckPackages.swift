package import ClusterModel
package import RemoteShell
package import RunEngine

/// `preflight.packages`: the package manager is free and has nothing left unfinished, and kubelet, kubeadm and kubectl are held.
///
/// Only the holds are mended, with apt: finishing what dpkg left runs the packages' own scripts, which restart services, and
/// whoever holds a lock is not stopped.
package struct CheckPackages: PreflightCheck {
    package static let check = CheckName.packages
    package static let signature: KindSignature = described(
        "Package manager free and in order; Kubernetes packages held"
    )
    package let fix: Bool?

    package func facts(on target: StepTarget) -> [FactRequest] { [FactRequest(PackageState(), on: target.name)] }

    /// Load balancers too.
    package func concerns(_ host: Host, in cluster: Cluster) -> Bool { true }

    package func assess(_ facts: any FactReader, on host: Host) async throws -> Assessment {
        let state = try await facts.read(PackageState(), on: host.name)
        guard let manager = state.manager else {
            return .fail("none of apt-get, dnf and zypper is there", remedy: nil)
        }
        if let lock = state.locks.first {
            return .fail(
                "\(lock.file) is held by \(lock.command) (process \(lock.process))",
                remedy: "wait for its end: ps -o pid,etime,args -p \(lock.process)"
            )
        }
        guard state.isDatabaseSound else {
            return manager == .apt
                ? .fail(
                    "dpkg cannot read its database",
                    remedy: "dpkg --audit; older ones are /var/lib/dpkg/status-old, /var/backups/dpkg.status.*"
                )
                : .fail("rpm cannot read its database", remedy: "rpm --rebuilddb")
        }
        if !state.unfinished.isEmpty || state.wasInterrupted {
            let list = state.unfinished.prefix(5).map { "\($0.package) (\($0.state))" }.joined(separator: ", ")
            let more = state.unfinished.count > 5 ? " and \(state.unfinished.count - 5) more" : ""
            let what = state.unfinished.isEmpty ? "dpkg was interrupted" : "left unfinished: \(list)\(more)"
            return .fail(what, remedy: Self.remedy(manager, state.unfinished))
        }
        let free = state.installed.filter { !state.held.contains($0) }
        guard !free.isEmpty else {
            let held = state.installed.isEmpty ? "" : "; \(state.installed.joined(separator: ", ")) held"
            return .ok("\(manager.rawValue) is in order\(held)")
        }
        let names = free.joined(separator: " ")
        let finding = "\(free.joined(separator: ", ")) not held: any upgrade of the host would upgrade them"
        switch manager {
        case .apt:
            return .fixable(
                finding,
                [PlannedChange("hold \(names)", commands: ["apt-mark hold \(names)"])],
                RemoteCommand(Self.script, free)
            )
        case .dnf: return .warn("\(finding); dnf versionlock add \(names)")
        case .zypper: return .warn("\(finding); zypper addlock \(names)")
        }
    }

    private static func remedy(_ manager: PackageState.Manager, _ unfinished: [PackageState.Unfinished]) -> String {
        guard manager == .apt else { return manager == .dnf ? "dnf remove --duplicates" : "zypper verify" }
        let broken = unfinished.filter { $0.state == "reinstallation required" }.map(\.package)
        let reinstall = broken.isEmpty ? "" : "apt-get install --reinstall \(broken.joined(separator: " ")) && "
        return "\(reinstall)dpkg --configure -a"
    }

    /// `$@` the packages.
    private static let script: StaticString = "apt-mark hold \"$@\""
}

/// What the package manager of a host is at, and has left.
package struct PackageState: Fact {
    package static let name = "host.packages"

    package init() {}

    package enum Manager: String, Codable, Sendable, Hashable {
        case apt = "apt-get"
        case dnf, zypper
    }

    package struct Unfinished: Codable, Sendable, Hashable {
        package let package: String
        /// As `dpkg --audit` calls it; `installed twice` of rpm.
        package let state: String
    }

    package struct Lock: Codable, Sendable, Hashable {
        package let file: String
        package let process: Int
        package let command: String
    }

    package struct Value: Codable, Sendable, Hashable {
        package let manager: Manager?
        package let unfinished: [Unfinished]
        /// dpkg was stopped while it wrote its database.
        package let wasInterrupted: Bool
        package let isDatabaseSound: Bool
        package let locks: [Lock]
        /// Of kubelet, kubeadm and kubectl, in this order.
        package let installed: [String]
        package let held: [String]
    }

    static let wanted = ["kubelet", "kubeadm", "kubectl"]

    /// Changes nothing and takes no lock itself.
    ///
    /// Locks of dpkg, apt and rpm are the kernel's: whoever has one is in /proc/locks, by the file's inode, and has it open.
    /// dnf and zypper leave their process id in a file.
    package var command: RemoteCommand {
        RemoteCommand(
            """
            echo '[manager]'; for p in apt-get dnf zypper; do command -v "$p" >/dev/null && echo "$p"; done
            apt=$(command -v apt-get); rpm=; [ -n "$apt" ] || rpm=$(command -v rpm)
            echo '[dpkg]'
            [ -n "$apt" ] && dpkg-query -W -f '${db:Status-Abbrev}|${binary:Package}\\n' 2>/dev/null |
                grep -E -v '^(ii |rc |un |pn )\\|' | grep -E -v '^hi \\|' ; :
            echo '[interrupted]'; ls /var/lib/dpkg/updates 2>/dev/null | grep -E '^[0-9]+$'
            echo '[kubernetes]'
            if [ -n "$apt" ]; then
                dpkg-query -W -f '${db:Status-Abbrev}|${Package}\\n' kubelet kubeadm kubectl 2>/dev/null
            elif [ -n "$rpm" ]; then
                rpm -q --qf 'ri |%{NAME}\\n' kubelet kubeadm kubectl 2>/dev/null | grep '^ri '
            fi
            echo '[database]'; if [ -n "$apt" ]; then dpkg-query -W; else [ -z "$rpm" ] || rpm -q rpm; fi >/dev/null 2>&1 || echo broken
            echo '[twice]'
            [ -z "$rpm" ] || rpm -qa --qf '%{NAME}.%{ARCH}\\n' 2>/dev/null | grep -E -v '^(kernel|gpg-pubkey)' | sort | uniq -d
            echo '[excluded]'
            [ -z "$rpm" ] || { grep -hE '^(exclude|excludepkgs)[[:space:]]*=' /etc/dnf/dnf.conf /etc/yum.repos.d/*.repo
                grep -hE -v '^[[:space:]]*(#|$|!)' /etc/dnf/plugins/versionlock.list
                sed -n 's/^name[[:space:]]*=[[:space:]]*"\\(.*\\)"/\\1/p' /etc/dnf/versionlock.toml
                sed -n 's/^solvable_name:[[:space:]]*//p' /etc/zypp/locks; } 2>/dev/null
            echo '[locks]'
            for f in /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/lib/apt/lists/lock /var/cache/apt/archives/lock \\
                /var/lib/rpm/.rpm.lock /usr/lib/sysimage/rpm/.rpm.lock /run/dnf/rpmtransaction.lock; do
                inode=$(stat -Lc %i "$f" 2>/dev/null) || continue
                # On an overlay the kernel names another inode than stat does: there every holder of a lock is looked at.
                any=; [ "$(stat -fc %T "$f" 2>/dev/null)" != overlayfs ] || any=1
                for pid in $(awk -v i="$inode" -v any="$any" \\
                    '$2 != "->" && $5 > 0 { n = split($6, p, ":"); if (any || p[n] == i) print $5 }' \\
                    /proc/locks 2>/dev/null | sort -u); do
                    for d in "/proc/$pid/fd"/*; do
                        [ "$d" -ef "$f" ] && { echo "$pid $f $(cat "/proc/$pid/comm")"; break; }
                    done
                done
            done
            for f in /run/dnf.pid /var/cache/dnf/metadata_lock.pid /var/lib/dnf/rpmdb_lock.pid /run/yum.pid /run/zypp.pid; do
                pid=$(cat "$f" 2>/dev/null) && [ -n "$pid" ] && [ -r "/proc/$pid/comm" ] && echo "$pid $f $(cat "/proc/$pid/comm")"
            done
            echo '[end]'
            """,
            as: .root
        )
    }

    package func parse(_ answer: ProbeBatch.Answer) throws -> Value {
        let output = SectionedOutput(answer)
        _ = try output.lines("end")
        let managers = try output.lines("manager").compactMap(Manager.init(rawValue:))
        let kubernetes = try output.lines("kubernetes").compactMap(Self.row)
        let installed = Self.wanted.filter { name in
            kubernetes.contains { $0.package == name && $0.abbreviation.dropFirst().first == "i" }
        }
        let excluded = try output.lines("excluded").flatMap(Self.patterns)
        return Value(
            manager: managers.first,
            unfinished: try output.lines("dpkg").compactMap(Self.row).compactMap { row in
                Self.state(row.abbreviation).map { Unfinished(package: row.package, state: $0) }
            } + (try output.lines("twice").map { Unfinished(package: $0, state: "installed twice") }),
            wasInterrupted: !(try output.lines("interrupted").isEmpty),
            isDatabaseSound: try output.lines("database").isEmpty,
            locks: try output.rows("locks").compactMap { row in
                guard row.count >= 3, let process = Int(row[0]) else { return nil }
                return Lock(file: row[1], process: process, command: row[2...].joined(separator: " "))
            },
            installed: installed,
            held: installed.filter { name in
                kubernetes.contains { $0.package == name && $0.abbreviation.hasPrefix("h") }
                    || excluded.contains { Self.matches($0, name) }
            }
        )
    }

    /// `iF |name`: wanted, state and error as dpkg-query(1) abbreviates them.
    private static func row(_ line: String) -> (abbreviation: String, package: String)? {
        guard let bar = line.firstIndex(of: "|") else { return nil }
        return (String(line[..<bar]), String(line[line.index(after: bar)...]))
    }

    /// What is unfinished about a package in words; nil for one that is as it was wanted.
    private static func state(_ abbreviation: String) -> String? {
        let letters = Array(abbreviation)
        guard letters.count >= 2 else { return nil }
        if letters.count > 2, letters[2] == "R" { return "reinstallation required" }
        switch letters[1] {
        case "H": return "half installed"
        case "U": return "unpacked, not configured"
        case "F": return "half configured"
        case "W": return "waits for another's trigger"
        case "t", "T": return "its trigger is pending"
        default: return nil
        }
    }

    /// Package patterns of a line: `exclude=a b,c*`, `kubelet-0:1.31.14-*.*` or a bare name.
    private static func patterns(_ line: String) -> [String] {
        let text = line.firstIndex(of: "=").map { line[line.index(after: $0)...] } ?? line[...]
        return text.split { $0 == "," || $0.isWhitespace }.map(String.init)
    }

    /// `kubelet`, `kube*`, or a version of it; no other wildcard is understood, so what is unclear counts as not held.
    static func matches(_ pattern: String, _ name: String) -> Bool {
        if pattern == name || pattern.hasPrefix("\(name)-") { return true }
        guard let star = pattern.firstIndex(of: "*"), star != pattern.startIndex else { return pattern == "*" }
        return !pattern[..<star].contains("-") && name.hasPrefix(pattern[..<star])
            && pattern[pattern.index(after: star)...].isEmpty
    }

    /// Who holds a lock just now is not relied upon.
    package func bound(_ value: Value) throws -> JSONValue? {
        try JSONValue(encoding: ["held": value.held, "installed": value.installed])
    }
}
