package import ClusterModel
package import RemoteShell
package import RunEngine

/// `preflight.sysctl`: the kernel settings Kubernetes needs hold now, and the files say the same for the next boot.
///
/// At boot systemd-sysctl reads all files in the order of their names, and the last one wins, so a setting that is right today
/// may be another tomorrow. Sources: sysctl.d(5); kubernetes.io "Container runtimes"; kubeadm checks only the live ip_forward.
package struct CheckSysctl: PreflightCheck {
    package static let check = CheckName.sysctl
    package static let signature: KindSignature = described("Kernel settings, live and as the next boot will set them")
    package let fix: Bool?

    /// What must hold; the bridge's settings exist only with br_netfilter.
    static let wanted = [
        "net.bridge.bridge-nf-call-ip6tables": "1", "net.bridge.bridge-nf-call-iptables": "1",
        "net.ipv4.ip_forward": "1",
    ]

    package func facts(on target: StepTarget) -> [FactRequest] {
        [
            FactRequest(SysctlState(keys: Self.wanted.keys.sorted()), on: target.name),
            FactRequest(KernelModules(), on: target.name),
        ]
    }

    package func assess(_ facts: any FactReader, on host: Host) async throws -> Assessment {
        let state = try await facts.read(SysctlState(keys: Self.wanted.keys.sorted()), on: host.name)
        let missing = Self.wanted.keys.sorted().filter { state.live[$0] == nil }
        guard missing.isEmpty else {
            let kernel = try await facts.read(KernelModules(), on: host.name)
            if kernel.loadable.contains("br_netfilter"), !kernel.present.contains("br_netfilter") {
                return .later(CheckModules.signature.kind)
            }
            return .fail(
                "the kernel has no \(missing.joined(separator: ", "))",
                remedy: "boot a kernel with br_netfilter"
            )
        }
        var live: [String] = []
        var boot: [String] = []
        var late: [String] = []
        for (key, value) in Self.wanted.sorted(by: { $0.key < $1.key }) {
            if let present = state.live[key], present != value { live.append("- \(key) = \(present)") }
            guard let winner = state.winner(of: key) else {
                boot.append("- \(key): no file sets it")
                continue
            }
            guard winner.value != value else { continue }
            boot.append("- \(winner.file) sets \(key) = \(winner.value)")
            if winner.isBehindOurs { late.append(winner.file) }
        }
        guard late.isEmpty else {
            return .fail(
                "\(late.joined(separator: ", ")) has the last word at boot",
                remedy: "mend or remove \(late[0])"
            )
        }
        guard !live.isEmpty || !boot.isEmpty else { return .ok("all set, now and after the next boot") }
        let wanted = Self.wanted.sorted { $0.key < $1.key }.map { "\($0.key) = \($0.value)" }
        var changes: [PlannedChange] = []
        if !live.isEmpty {
            changes.append(
                PlannedChange(
                    "set \(live.count) kernel setting\(live.count == 1 ? "" : "s")",
                    diff: live,
                    commands: ["sysctl -p \(SysctlState.ownFile)"]
                )
            )
        }
        if !boot.isEmpty {
            changes.append(
                PlannedChange("write \(SysctlState.ownFile)", diff: boot + wanted.map { "+ \($0)" })
            )
        }
        let finding = (live + boot).map { String($0.dropFirst(2)) }.joined(separator: "; ")
        return .fixable(finding, changes, RemoteCommand(Self.script, wanted))
    }

    /// `$@` the settings, one an argument; only this file is applied, never everybody's.
    private static let script: StaticString = """
        file=/etc/sysctl.d/zz-rollbook.conf
        mkdir -p /etc/sysctl.d || exit 1
        { echo "# Kubernetes needs these; written by rollbook"; printf '%s\\n' "$@"; } >"$file.new" || exit 1
        chmod 0644 "$file.new" && sync "$file.new" && mv "$file.new" "$file" && sysctl -q -p "$file"
        """
}

/// Kernel settings as they are, and every file that speaks of them at boot.
package struct SysctlState: Fact {
    package static let name = "host.sysctl"
    /// Sorts behind what distributions and people use.
    static let ownName = "zz-rollbook.conf"
    static let ownFile = "/etc/sysctl.d/zz-rollbook.conf"
    let keys: [String]

    package init(keys: [String]) { self.keys = keys }

    /// A line of a file that sets one of the keys.
    package struct Setting: Codable, Sendable, Hashable {
        package let file: String
        package let key: String
        package let value: String

        /// Files are read in the order of their names, whatever folder they are in; ufw applies its own when it starts, later.
        var isBehindOurs: Bool {
            file.hasPrefix("/etc/ufw/") || (file.split(separator: "/").last ?? "") > SysctlState.ownName
        }
    }

    package struct Value: Codable, Sendable, Hashable {
        package let live: [String: String]
        /// In the order in which systemd-sysctl reads them; the last one of a key wins.
        package let files: [Setting]

        func winner(of key: String) -> Setting? { files.last { $0.key == key } }
    }

    package var command: RemoteCommand {
        RemoteCommand(
            """
            echo '[live]'
            for key in "$@"; do
                file=/proc/sys/$(printf %s "$key" | tr . /)
                [ -r "$file" ] && printf '%s %s\\n' "$key" "$(cat "$file")"
            done
            echo '[files]'
            for f in $(ls /etc/sysctl.d /run/sysctl.d /usr/local/lib/sysctl.d /usr/lib/sysctl.d 2>/dev/null | grep '\\.conf$' |
                LC_ALL=C sort -u); do
                for d in /etc /run /usr/local/lib /usr/lib; do
                    [ -e "$d/sysctl.d/$f" ] && { sed "s#^#$d/sysctl.d/$f #" "$d/sysctl.d/$f"; break; }
                done
            done
            if systemctl is-enabled --quiet ufw 2>/dev/null && [ -r /etc/ufw/sysctl.conf ]; then
                sed "s#^#/etc/ufw/sysctl.conf #" /etc/ufw/sysctl.conf
            fi
            echo '[end]'
            """,
            keys
        )
    }

    package func parse(_ answer: ProbeBatch.Answer) throws -> Value {
        let output = SectionedOutput(answer)
        _ = try output.lines("end")
        var live: [String: String] = [:]
        for row in try output.rows("live") where row.count == 2 { live[row[0]] = row[1] }
        let files = try output.lines("files").compactMap { line -> Setting? in
            guard let space = line.firstIndex(of: " ") else { return nil }
            return Self.setting(line[line.index(after: space)...], in: String(line[..<space]), keys: keys)
        }
        return Value(live: live, files: files)
    }

    /// `net/ipv4/ip_forward=1`, `-net.ipv4.ip_forward = 1`; comments, globs and other keys are nil.
    static func setting(_ line: Substring, in file: String, keys: [String]) -> Setting? {
        var text = line.drop(while: \.isWhitespace)
        guard let first = text.first, first != "#", first != ";" else { return nil }
        if first == "-" { text = text.dropFirst() }
        guard let equals = text.firstIndex(of: "=") else { return nil }
        let written = text[..<equals].filter { !$0.isWhitespace }
        let value = String(text[text.index(after: equals)...].filter { !$0.isWhitespace })
        // The first separator decides which of the two forms a name has.
        let isSlashed =
            written.firstIndex(of: "/").map { slash in written.firstIndex(of: ".").map { slash < $0 } ?? true } ?? false
        let key = isSlashed ? String(written.map { $0 == "/" ? "." : $0 == "." ? "/" : $0 }) : written
        return keys.contains(key) ? Setting(file: file, key: key, value: value) : nil
    }
}
