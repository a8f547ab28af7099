package import ClusterModel
package import RemoteShell
package import RunEngine

/// `preflight.hardware`: processors and memory are enough for what the host does.
///
/// Masters are held to what kubeadm itself refuses, and are warned of what works but will not for long; workers and etcd hosts,
/// of which kubeadm asks nothing, are only warned.
package struct CheckHardware: PreflightCheck {
    package static let check = CheckName.hardware
    package static let signature: KindSignature = described("Processors and memory for the host's role")
    package let fix: Bool?

    /// Source: kubeadm, `ControlPlaneNumCPU`.
    static let leastProcessors = 2
    /// In MiB.
    ///
    /// Source: kubeadm, `ControlPlaneMem`; it also counts in units of 1024 x 1024 bytes and names them MB.
    static let leastMemory = 1700
    /// In MiB: what is left of 4 GiB when kernel and firmware had their share.
    ///
    /// With less, apiserver and etcd of a master are the first that the kernel kills when lists get long.
    static let comfortableMasterMemory = 3500
    /// Source: kubernetes.io "Installing kubeadm": less than 2 GB leaves little room for workloads.
    static let comfortableMemory = leastMemory

    package func facts(on target: StepTarget) -> [FactRequest] { [FactRequest(HardwareSize(), on: target.name)] }

    package func assess(_ facts: any FactReader, on host: Host) async throws -> Assessment {
        let size = try await facts.read(HardwareSize(), on: host.name)
        let found = "\(size.processors) processor\(size.processors == 1 ? "" : "s"), \(size.memory) MiB of memory"
        var short: [String] = []
        if size.processors < Self.leastProcessors { short.append("\(Self.leastProcessors) processors") }
        if size.memory < Self.leastMemory { short.append("\(Self.leastMemory) MiB") }
        if host.role == .master {
            guard short.isEmpty else {
                let needed = short.joined(separator: " and ")
                return .fail("\(found); a master needs \(needed)", remedy: "give the machine at least \(needed)")
            }
            guard size.memory >= Self.comfortableMasterMemory else {
                return .warn("\(found): enough for kubeadm, but a master with pods of its own wants 4 GiB")
            }
            return .ok(found)
        }
        guard short.isEmpty else {
            return .warn("\(found): it works, but less than \(short.joined(separator: " and ")) leaves little room")
        }
        return .ok(found)
    }
}

/// Processors that may be used and memory that the kernel has, on a host.
package struct HardwareSize: Fact {
    package static let name = "host.hardware"

    package init() {}

    package struct Value: Codable, Sendable, Hashable {
        /// Those that processes may run on, as kubeadm counts them.
        package let processors: Int
        /// MiB.
        package let memory: Int
    }

    package var command: RemoteCommand {
        RemoteCommand(
            """
            echo '[processors]'; nproc 2>/dev/null || getconf _NPROCESSORS_ONLN
            echo '[memory]'; grep '^MemTotal:' /proc/meminfo
            echo '[end]'
            """
        )
    }

    package func parse(_ answer: ProbeBatch.Answer) throws -> Value {
        let output = SectionedOutput(answer)
        _ = try output.lines("end")
        guard let processors = Int(try output.line("processors")), processors > 0 else {
            throw IncompleteAnswer(section: "processors")
        }
        let words = try output.rows("memory").first ?? []
        guard words.count == 3, words[2] == "kB", let kibibytes = Int(words[1]) else {
            throw IncompleteAnswer(section: "memory")
        }
        return Value(processors: processors, memory: kibibytes / 1024)
    }

    /// Memory comes and goes by a little with balloons and new kernels; what is decided is decided anew each time.
    package func bound(_ value: Value) throws -> JSONValue? {
        .object(["processors": .integer(Int64(value.processors))])
    }
}
