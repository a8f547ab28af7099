package import ClusterModel
package import RemoteShell
import RunEngine

/// The container runtimes of a host, and what its kubelet expects of one.
package struct ContainerRuntime: Fact {
    package static let name = "host.runtime"

    package init() {}

    package enum Kind: String, Codable, Sendable, Hashable, CaseIterable {
        case containerd, crio, dockerd

        var spoken: String {
            switch self {
            case .containerd: "containerd"
            case .crio: "CRI-O"
            case .dockerd: "cri-dockerd"
            }
        }

        var unit: String { self == .dockerd ? "cri-docker" : rawValue }

        init?(path: String) {
            if path.contains("containerd") {
                self = .containerd
            } else if path.contains("crio") {
                self = .crio
            } else if path.contains("dockerd") {
                self = .dockerd
            } else {
                return nil
            }
        }
    }

    package struct Socket: Codable, Sendable, Hashable {
        package let path: String
        package let kind: Kind
        /// There is a crictl, and it asked.
        package let wasAsked: Bool
        /// What crictl says when it gets no answer.
        package let complaint: String?
        package let version: ProgramVersion?
        /// `systemd` or `cgroupfs`; nil when the runtime does not say.
        package let driver: String?
    }

    package struct UnitState: Codable, Sendable, Hashable {
        package let isActive: Bool
        package let isEnabled: Bool
    }

    package struct Value: Codable, Sendable, Hashable {
        package let hasKubelet: Bool
        package let kubelet: ProgramVersion?
        /// A path, by the kubelet's flags, else its configuration.
        package let endpoint: String?
        package let kubeletDriver: String
        package let sockets: [Socket]
        /// By name, without `.service`; only units that there are.
        package let unitStates: [String: UnitState]
    }

    /// Changes nothing; each question ends after a second or two.
    package var command: RemoteCommand {
        RemoteCommand(
            """
            echo '[kubelet]'; command -v kubelet >/dev/null && { echo installed; timeout 1 kubelet --version 2>/dev/null; }
            echo '[configuration]'; [ -e /var/lib/kubelet/config.yaml ] && echo present
            grep -E '^(containerRuntimeEndpoint|cgroupDriver):' /var/lib/kubelet/config.yaml 2>/dev/null
            echo '[flags]'
            cat /var/lib/kubelet/kubeadm-flags.env /etc/default/kubelet /etc/sysconfig/kubelet 2>/dev/null | grep -v '^[[:space:]]*#' |
                tr " '\\"" '\\n\\n\\n' | grep -E '^--(container-runtime-endpoint|cgroup-driver)='
            sockets=
            for s in /run/containerd/containerd.sock /run/crio/crio.sock /run/cri-dockerd.sock; do
                [ -S "$s" ] && sockets="$sockets $s"
            done
            echo '[sockets]'; for s in $sockets; do echo "$s"; done
            echo '[crictl]'
            set -- $sockets
            [ $# -le 2 ] && command -v crictl >/dev/null && for s in $sockets; do
                if said=$(timeout 2 crictl --runtime-endpoint "unix://$s" --timeout 2s version 2>&1); then
                    echo "$s answers $(echo "$said" | sed -n 's/^RuntimeVersion:[[:space:]]*//p')"
                else
                    echo "$s silent $(echo "$said" | tail -n 1)"
                fi
            done
            echo '[units]'
            timeout 1 systemctl show kubelet.service containerd.service crio.service cri-docker.service \\
                -p Id,LoadState,ActiveState,UnitFileState 2>/dev/null | awk 'BEGIN { RS = "" } { gsub(/\\n/, " "); print }'
            echo '[containerd]'
            command -v containerd >/dev/null && { timeout 1 containerd --version; timeout 1 containerd config dump |
                grep -E 'runtimes\\.[^.]*\\.options\\]|SystemdCgroup|default_runtime_name' | sed 's/^/: /'; } 2>/dev/null
            echo '[crio]'
            command -v crio >/dev/null && { timeout 1 crio --version | sed -n 1,3p
                cat /etc/crio/crio.conf /etc/crio/crio.conf.d/* | grep -E '^[[:space:]]*cgroup_manager[[:space:]]*='; } 2>/dev/null
            echo '[docker]'; command -v docker >/dev/null && timeout 1 docker info -f '{{.CgroupDriver}}' 2>/dev/null
            echo '[end]'
            """
        )
    }

    package func parse(_ answer: ProbeBatch.Answer) throws -> Value {
        let output = SectionedOutput(answer)
        _ = try output.lines("end")
        var settings: [String: String] = [:]
        for row in try output.rows("configuration") where row.count == 2 {
            settings[row[0].replacing(":", with: "")] = row[1].filter { $0 != "\"" && $0 != "'" }
        }
        for line in try output.lines("flags") {
            guard let equals = line.firstIndex(of: "=") else { continue }
            let name = line[..<equals].contains("endpoint") ? "containerRuntimeEndpoint" : "cgroupDriver"
            settings[name] = String(line[line.index(after: equals)...])
        }
        let drivers: [Kind: String?] = [
            .containerd: Self.containerdDriver(try output.lines("containerd")),
            .crio: try output.lines("crio").last { $0.contains("cgroup_manager") }.map(Self.quoted) ?? "systemd",
            .dockerd: try output.lines("docker").first,
        ]
        let versions: [Kind: ProgramVersion?] = [
            .containerd: try output.lines("containerd").first.flatMap(ProgramVersion.init(in:)),
            .crio: try output.lines("crio").lazy.compactMap(ProgramVersion.init(in:)).first,
        ]
        let asked = try output.rows("crictl")
        let sockets = try output.lines("sockets").compactMap { path -> Socket? in
            guard let kind = Kind(path: path) else { return nil }
            let row = asked.first { $0.first == path && $0.count >= 2 }
            let said = row.map { $0.dropFirst(2).joined(separator: " ") } ?? ""
            let isSilent = row.map { $0[1] == "silent" } ?? false
            return Socket(
                path: path,
                kind: kind,
                wasAsked: row != nil,
                complaint: isSilent ? (said.isEmpty ? "no answer within 2 s" : Self.message(said)) : nil,
                version: (isSilent ? nil : ProgramVersion(in: said)) ?? versions[kind].flatMap { $0 },
                driver: drivers[kind].flatMap { $0 }
            )
        }
        let kubelet = try output.lines("kubelet")
        // kubeadm writes systemd where nothing is said; a kubelet without that takes cgroupfs.
        let standard = try output.lines("configuration").contains("present") ? "cgroupfs" : "systemd"
        return Value(
            hasKubelet: !kubelet.isEmpty,
            kubelet: kubelet.lazy.compactMap(ProgramVersion.init(in:)).first,
            endpoint: Self.path(settings["containerRuntimeEndpoint"] ?? ""),
            kubeletDriver: settings["cgroupDriver"].flatMap { $0.isEmpty ? nil : $0 } ?? standard,
            sockets: sockets,
            unitStates: Self.units(try output.rows("units"))
        )
    }

    /// `unix:///run/containerd/containerd.sock`, also below `/var/run`, which is `/run`.
    private static func path(_ endpoint: String) -> String? {
        let path = endpoint.replacing("unix://", with: "")
        guard !path.isEmpty else { return nil }
        return path.hasPrefix("/var/run/") ? String(path.dropFirst(4)) : path
    }

    private static func quoted(_ line: String) -> String {
        line.split(separator: "=", maxSplits: 1).last.map { $0.filter { !"\"' ".contains($0) } } ?? ""
    }

    /// The driver of the runtime that containers get when nothing else is asked for; containerd's own default is cgroupfs.
    private static func containerdDriver(_ lines: [String]) -> String? {
        // A line of the configuration stands behind a colon: it may itself be a heading in brackets.
        guard lines.count > 1 else { return nil }
        let standard = lines.first { $0.contains("default_runtime_name") }.map(quoted) ?? "runc"
        var current = ""
        for line in lines {
            if let range = line.firstRange(of: "runtimes."), line.contains(".options]") {
                current = String(line[range.upperBound...].prefix { $0 != "." })
            } else if line.contains("SystemdCgroup"), current == standard {
                return quoted(line) == "true" ? "systemd" : "cgroupfs"
            }
        }
        return "cgroupfs"
    }

    /// Rows of `Id=… LoadState=… ActiveState=… UnitFileState=…`, in any order.
    private static func units(_ rows: [[String]]) -> [String: UnitState] {
        var states: [String: UnitState] = [:]
        for row in rows {
            var words: [String: String] = [:]
            for word in row {
                let parts = word.split(separator: "=", maxSplits: 1).map(String.init)
                if parts.count == 2 { words[parts[0]] = parts[1] }
            }
            guard let id = words["Id"], words["LoadState"] == "loaded" else { continue }
            states[id.replacing(".service", with: "")] = UnitState(
                isActive: words["ActiveState"] == "active",
                isEnabled: ["enabled", "enabled-runtime", "static", "alias", "linked", "generated"]
                    .contains(words["UnitFileState"] ?? "")
            )
        }
        return states
    }

    /// What a line of crictl's log says, without its time: `time="…" level=fatal msg="…"`.
    private static func message(_ line: String) -> String {
        guard let start = line.firstRange(of: "msg=\"") else { return line }
        let rest = line[start.upperBound...]
        return String(rest.hasSuffix("\"") ? rest.dropLast() : rest).replacing("\\\"", with: "'")
    }

    /// What runs just now, and how a runtime complains, is not relied upon.
    package func bound(_ value: Value) throws -> JSONValue? {
        try JSONValue(encoding: [
            "endpoint": [value.endpoint ?? "", value.kubeletDriver],
            "sockets": value.sockets.map { "\($0.path) \($0.driver ?? "")" },
        ])
    }
}
