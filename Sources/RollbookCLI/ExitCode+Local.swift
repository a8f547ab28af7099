import ClusterModel

/// The documented exit codes; ArgumentParser has a type of the same name.
typealias ExitCode = ClusterModel.ExitCode
