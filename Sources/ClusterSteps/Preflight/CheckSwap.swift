package import ClusterModel
package import RemoteShell
package import RunEngine

/// `preflight.swap`: no swap is active, and nothing would bring it back at the next boot.
///
/// A kubelet with `failSwapOn: false` and a `swapBehavior` wants it otherwise, and is left alone. Source: kubernetes.io "Swap
/// memory management"; kubelet reads `/proc/swaps`, so zram counts.
package struct CheckSwap: PreflightCheck {
    package static let check = CheckName.swap
    package static let signature: KindSignature = described("No swap, now and after the next boot")
    package let fix: Bool?

    package func facts(on target: StepTarget) -> [FactRequest] { [FactRequest(SwapState(), on: target.name)] }

    package func assess(_ facts: any FactReader, on host: Host) async throws -> Assessment {
        let state = try await facts.read(SwapState(), on: host.name)
        if state.kubeletAllowsSwap { return .ok("the kubelet is configured to work with swap") }
        var changes: [PlannedChange] = []
        if !state.active.isEmpty {
            changes.append(
                PlannedChange(
                    "turn swap off",
                    diff: state.active.map { "- \($0)" } + ["+ none"],
                    commands: state.active.map { "swapoff \($0)" }
                )
            )
        }
        if !state.fstab.isEmpty {
            changes.append(
                PlannedChange(
                    "comment out \(state.fstab.count) line\(state.fstab.count == 1 ? "" : "s") of /etc/fstab",
                    diff: state.fstab.flatMap { ["- \($0)", "+ # rollbook: \($0)"] },
                    commands: ["cp -a /etc/fstab /etc/fstab.rollbook-before", "rewrite /etc/fstab, then rename"]
                )
            )
        }
        if !state.units.isEmpty {
            changes.append(
                PlannedChange(
                    "mask \(state.units.joined(separator: ", "))",
                    commands: ["stop", "mask"].map { "systemctl \($0) \(state.units.joined(separator: " "))" }
                )
            )
        }
        if !state.generators.isEmpty {
            changes.append(
                PlannedChange(
                    "put an empty configuration over \(state.generators.joined(separator: ", "))",
                    commands: [
                        "keep /etc/systemd/zram-generator.conf, if there is one, as zram-generator.conf.rollbook-before",
                        ": >/etc/systemd/zram-generator.conf", "systemctl daemon-reload",
                    ]
                )
            )
        }
        guard !changes.isEmpty else { return .ok("no swap, and nothing that would turn it on") }
        var found: [String] = []
        if !state.active.isEmpty { found.append("swap is on (\(state.active.joined(separator: ", ")))") }
        if !state.fstab.isEmpty { found.append("/etc/fstab would turn it on") }
        found += state.units.map { "\($0) would turn it on" } + state.generators.map { "\($0) would turn it on" }
        return .fixable(
            found.joined(separator: "; "),
            changes,
            RemoteCommand(Self.script, [state.units.joined(separator: " "), state.generators.joined(separator: " ")])
        )
    }

    /// `$1` units to mask, `$2` generator files to cover, both separated by spaces.
    ///
    /// Lines of fstab are found by their third field, tabs or spaces, and kept as comments.
    private static let script: StaticString = """
        tail -n +2 /proc/swaps | awk '{ print $1 }' | while read -r device; do swapoff "$device" || exit 1; done || exit 1
        if awk '$1 !~ /^#/ && $3 == "swap" { found = 1 } END { exit !found }' /etc/fstab; then
            cp -a /etc/fstab /etc/fstab.rollbook-before && cp -a /etc/fstab /etc/fstab.rollbook-new || exit 1
            awk '$1 !~ /^#/ && $3 == "swap" { print "# rollbook: " $0; next } { print }' /etc/fstab >/etc/fstab.rollbook-new || exit 1
            sync /etc/fstab.rollbook-new && mv /etc/fstab.rollbook-new /etc/fstab || exit 1
        fi
        for unit in $1; do
            systemctl stop "$unit" 2>/dev/null
            systemctl mask "$unit" || exit 1
        done
        if [ -n "$2" ]; then
            file=/etc/systemd/zram-generator.conf
            [ ! -s "$file" ] || cp -a "$file" "$file.rollbook-before" || exit 1
            mkdir -p /etc/systemd && : >"$file" || exit 1
        fi
        systemctl daemon-reload 2>/dev/null; exit 0
        """
}

/// Everything that is swap on a host, or would be after its next boot.
package struct SwapState: Fact {
    package static let name = "host.swap"

    package init() {}

    package struct Value: Codable, Sendable, Hashable {
        package let active: [String]
        /// Lines that the next boot would act on, as they stand.
        package let fstab: [String]
        /// Units, not generated from fstab, that would turn swap on.
        package let units: [String]
        /// Configuration of generators that make swap at boot.
        package let generators: [String]
        package let kubeletAllowsSwap: Bool
    }

    package var command: RemoteCommand {
        RemoteCommand(
            """
            echo '[active]'; tail -n +2 /proc/swaps 2>/dev/null | awk '{ print $1 }'
            echo '[fstab]'; awk '$1 !~ /^#/ && $3 == "swap"' /etc/fstab 2>/dev/null
            echo '[units]'
            systemctl list-unit-files --type=swap --no-legend --plain 2>/dev/null | awk '$2 != "generated" && $2 != "masked" { print $1 }'
            for unit in zramswap.service zram-config.service dphys-swapfile.service; do
                systemctl is-enabled --quiet "$unit" 2>/dev/null && echo "$unit"
            done
            echo '[generators]'
            for file in /etc/systemd/zram-generator.conf /run/systemd/zram-generator.conf /usr/lib/systemd/zram-generator.conf; do
                if [ -e "$file" ]; then [ -s "$file" ] && echo "$file"; break; fi
            done
            echo '[kubelet]'; grep -E '^(failSwapOn| *swapBehavior):' /var/lib/kubelet/config.yaml 2>/dev/null
            echo '[end]'
            """
        )
    }

    package func parse(_ answer: ProbeBatch.Answer) throws -> Value {
        let output = SectionedOutput(answer)
        _ = try output.lines("end")
        let kubelet = try output.lines("kubelet").map { $0.filter { !$0.isWhitespace } }
        return Value(
            active: try output.lines("active"),
            fstab: try output.lines("fstab"),
            units: try output.lines("units"),
            generators: try output.lines("generators"),
            kubeletAllowsSwap: kubelet.contains("failSwapOn:false")
                && kubelet.contains { $0.hasPrefix("swapBehavior:") && !$0.hasSuffix("NoSwap") }
        )
    }
}
