# Made the files of this folder with PyTorch 2.13 (CPU): python3 make.py
import torch, collections, json, os
torch.manual_seed(0)
base = torch.arange(24, dtype=torch.float32)
def sd():
    shared = torch.arange(6, dtype=torch.float32).reshape(2,3)/4
    m = torch.nn.Sequential(torch.nn.Linear(3,2), torch.nn.LayerNorm(2))
    d = collections.OrderedDict()
    d["f32"]=torch.tensor([[1.5,-2.0,0.25],[3e-8,float("inf"),-0.0]])
    d["f64"]=torch.tensor([1/3,2.0],dtype=torch.float64)
    d["f16"]=torch.tensor([1.0,-0.5,65504.0],dtype=torch.float16)
    d["bf16"]=torch.tensor([[1.0,-3.0]],dtype=torch.bfloat16)
    d["i64"]=torch.tensor([2**60,-3])
    d["i32"]=torch.tensor([7,-8],dtype=torch.int32)
    d["i16"]=torch.tensor([300,-301],dtype=torch.int16)
    d["i8"]=torch.tensor([-128,127],dtype=torch.int8)
    d["u8"]=torch.tensor([0,255],dtype=torch.uint8)
    d["bool"]=torch.tensor([True,False,True])
    d["scalar"]=torch.tensor(42)
    d["empty"]=torch.zeros(0,3)
    d["tied.a"]=shared
    d["tied.b"]=shared
    d["row"]=base[8:16].view(2,4)
    d["turned"]=base[:6].view(2,3).t()
    d["every_other"]=base[1::2]
    d["expanded"]=torch.arange(3.)[None].expand(2,3)
    d["parameter"]=torch.nn.Parameter(torch.ones(2))
    d._metadata = {"": {"version": 1}}
    return d
state=sd()
torch.save(state,"state.bin")
torch.save(state,"state-legacy.bin",_use_new_zipfile_serialization=False)
torch.save({"epoch":3,"loss":0.5,"name":"x","done":True,"none":None,"sizes":torch.Size([2,3]),"list":[1,2,(3,"b")],"set":{1,2},"state_dict":state},"nested.pt")
torch.save({"epoch":3,"sizes":torch.Size([2,3]),"set":{1,2},"big":2**70,"model":{k:v for k,v in state.items()}},"nested-protocol4.pt",pickle_protocol=4)
torch.save({"a":torch.tensor([1.0,2.0]).to(torch.float8_e4m3fn),"b":torch.tensor([1,2],dtype=torch.uint16)},"odd.pt")
torch.save(torch.nn.Linear(2,2),"module.pt")
import argparse
torch.save({"args":argparse.Namespace(x=1),"a":torch.ones(1)},"namespace.pt")
for f in sorted(os.listdir(".")): print(f, os.path.getsize(f))
exp={}
for k,v in state.items():
    exp[k]={"dtype":str(v.dtype).split(".")[1],"shape":list(v.shape),"values":[str(x) for x in v.detach().contiguous().flatten().tolist()]}
json.dump(exp,open("state.json","w"),indent=1)
