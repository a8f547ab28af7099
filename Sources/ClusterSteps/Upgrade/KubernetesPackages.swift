package import ClusterModel
package import RemoteShell
import RunEngine

/// Kubernetes' packages on a host: what is installed, what is held, and what really runs.
package struct KubernetesPackages: Fact {
    package static let name = "kubernetes.packages"
    static let all = ["kubeadm", "kubelet", "kubectl", "cri-tools", "kubernetes-cni"]
    /// The packages that a plan relies on: an earlier step of the same run may change the others.
    package let about: [String]
    /// The version that a plan goes to: then it relies only on nothing being newer, for an attempt of its own that was cut off may
    /// have changed the rest.
    package let wanted: KubernetesVersion?

    package init(about: [String] = [], toward wanted: KubernetesVersion? = nil) {
        self.about = about
        self.wanted = wanted
    }

    package enum Manager: String, Codable, Sendable, Hashable {
        case apt = "apt-get"
        case dnf, zypper
    }

    package struct Package: Codable, Sendable, Hashable {
        package let name: String
        /// As the package manager writes it, such as `1.32.13-1.1`.
        package let version: String
        package let isHeld: Bool
    }

    package struct Value: Codable, Sendable, Hashable {
        package let manager: Manager?
        package let packages: [Package]
        /// What the programs say of themselves.
        package let kubeadm: KubernetesVersion?
        package let kubelet: KubernetesVersion?
        /// Of the process that runs, which may be older than the program; nil when none does.
        package let runningKubelet: KubernetesVersion?
        /// The program that runs is the file that is installed.
        package let isKubeletCurrent: Bool
        /// Held packages that an interrupted installation released.
        package let released: [String]

        package func version(of name: String) -> KubernetesVersion? {
            packages.first { $0.name == name }.flatMap { KubernetesVersion($0.version) }
        }
    }

    package var command: RemoteCommand {
        RemoteCommand([PackageManager.functions, Self.running, Self.script], Self.all)
    }

    /// Defines `running_version`, which prints what the kubelet that runs with a process id says of itself.
    ///
    /// Its program is asked through `/proc`, for the file of that name may be a newer one. One that an interpreter or a wrapper runs is
    /// asked by its file, unless that was replaced after the process began.
    static let running: StaticString = """
        running_version() {
            said=$(timeout 2 "/proc/$1/exe" --version 2>/dev/null)
            case $said in 'Kubernetes v'*) echo "$said"; return ;; esac
            file=$(tr '\\0' '\\n' <"/proc/$1/cmdline" 2>/dev/null | grep -m1 '/kubelet$') || { echo "$said"; return; }
            age=$(ps -o etimes= -p "$1" 2>/dev/null | tr -d ' ')
            if [ -n "$age" ] && [ "$(stat -c %Z "$file" 2>/dev/null || date +%s)" -le "$(($(date +%s) - age + 1))" ]; then
                timeout 2 "$file" --version 2>/dev/null
            else
                echo "older than $file"
            fi
        }

        """

    private static let script: StaticString = """
        echo '[manager]'; echo "$pm"
        echo '[packages]'; for n in "$@"; do
            v=$(installed "$n"); [ -z "$v" ] || echo "$n $v $(is_held "$n" && echo held || echo free)"
        done
        echo '[kubeadm]'; timeout 2 kubeadm version -o short 2>/dev/null
        echo '[kubelet]'; timeout 2 kubelet --version 2>/dev/null
        pid=$(timeout 2 systemctl show -p MainPID --value kubelet 2>/dev/null); exe="/proc/${pid:-0}/exe"
        echo '[running]'; [ "${pid:-0}" = 0 ] || running_version "$pid"
        echo '[current]'; [ "${pid:-0}" = 0 ] || case $(readlink "$exe") in *' (deleted)' | '') ;; *) echo yes ;; esac
        echo '[released]'; echo "$(cat "$store/held" 2>/dev/null)"
        echo '[end]'
        """

    package func parse(_ answer: ProbeBatch.Answer) throws -> Value {
        let output = SectionedOutput(answer)
        guard answer.exitCode == 0 else {
            throw OperatorMessage(
                .refused,
                String(decoding: answer.errorOutput, as: UTF8.self).split(separator: "\n").last.map(String.init)
                    ?? "no answer"
            )
        }
        _ = try output.lines("end")
        func version(_ section: String) throws -> KubernetesVersion? {
            try output.rows(section).last?.last.flatMap { KubernetesVersion($0) }
        }
        return Value(
            manager: Manager(rawValue: try output.line("manager")),
            packages: try output.rows("packages").filter { $0.count == 3 }.map {
                Package(name: $0[0], version: $0[1], isHeld: $0[2] == "held")
            },
            kubeadm: try version("kubeadm"),
            kubelet: try version("kubelet"),
            runningKubelet: try version("running"),
            isKubeletCurrent: try output.line("current") == "yes",
            released: try output.lines("released")
        )
    }

    package func bound(_ value: Value) throws -> JSONValue? {
        let names = about.isEmpty ? Self.all : about
        if let wanted {
            let newer = names.filter { name in value.version(of: name).map { $0 > wanted } ?? false }
            return .object(["newer": .array(newer.map(JSONValue.string))])
        }
        let versions = value.packages.filter { names.contains($0.name) }.map { ($0.name, JSONValue.string($0.version)) }
        return .object(Dictionary(versions) { first, _ in first })
    }
}
