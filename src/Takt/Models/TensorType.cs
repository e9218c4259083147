namespace Takt.Models;

/// <summary>What a tensor's values are. In capitals these are the datatypes of the Open Inference Protocol v2, and Triton's BF16.</summary>
public enum TensorType { Bool, Uint8, Uint16, Uint32, Uint64, Int8, Int16, Int32, Int64, Fp16, Bf16, Fp32, Fp64, Bytes }
