"""A machine with one NVIDIA card, in files; and a libcuda to be compiled for it."""

from __future__ import annotations

DRIVER = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Thu Oct  6 21:38:55 UTC 2022\nGCC version: x\n"
CARD = "0000:01:00.0"
BOX = {
    "proc/driver/nvidia/version": DRIVER,
    "dev/nvidiactl": "",
    f"sys/bus/pci/devices/{CARD}/vendor": "0x10de\n",
    f"sys/bus/pci/devices/{CARD}/class": "0x030200\n",
    f"sys/bus/pci/devices/{CARD}/device": "0x2204\n",
    "proc/meminfo": "MemTotal: 16000000 kB\nMemAvailable: 8000000 kB\n",
}
CUDA_STUB = """
#include <string.h>
int cuInit(int f){return %(init)s;}
int cuDriverGetVersion(int*v){*v=12020;return 0;}
int cuDeviceGetCount(int*c){*c=1;return 0;}
int cuDeviceGet(int*d,int n){*d=n;return 0;}
int cuDeviceGetName(char*b,int n,int d){strncpy(b,"Graphics Device",n);return 0;}
int cuDeviceGetAttribute(int*v,int a,int d){*v=a==75?7:a==76?5:0;return 0;}
int cuDeviceTotalMem_v2(unsigned long*v,int d){*v=6442450944UL;return 0;}
int cuDeviceGetPCIBusId(char*b,int n,int d){strncpy(b,"0000:01:00.0",n);return 0;}
"""
# of driver 418: it has no function that asks for MIG
NVML_STUB = """
#include <string.h>
typedef struct {char legacy[16]; unsigned domain, bus, device, id, sub; char bus_id[32];} Pci;
typedef struct {unsigned long long total, free, used;} Memory;
int nvmlInit_v2(void){return 0;}
const char *nvmlErrorString(int e){return "";}
int nvmlSystemGetDriverVersion(char*b,unsigned n){strncpy(b,"418.39",n);return 0;}
int nvmlSystemGetCudaDriverVersion_v2(int*v){*v=10010;return 0;}
int nvmlDeviceGetCount_v2(unsigned*c){*c=1;return 0;}
int nvmlDeviceGetHandleByIndex_v2(unsigned n,void**h){*h=(void*)1;return 0;}
int nvmlDeviceGetName(void*h,char*b,unsigned n){strncpy(b,"Quadro P400",n);return 0;}
int nvmlDeviceGetUUID(void*h,char*b,unsigned n){strncpy(b,"GPU-1",n);return 0;}
int nvmlDeviceGetPciInfo_v3(void*h,Pci*p){memset(p,0,sizeof *p);strcpy(p->bus_id,"00000000:01:00.0");return 0;}
int nvmlDeviceGetMemoryInfo(void*h,Memory*m){m->total=2147483648ULL;m->free=m->total;return 0;}
int nvmlDeviceGetCudaComputeCapability(void*h,int*a,int*b){*a=6;*b=1;return 0;}
int nvmlDeviceGetUtilizationRates(void*h,unsigned*u){u[0]=37;u[1]=5;return 0;}
int nvmlDeviceGetTemperature(void*h,int sensor,unsigned*c){*c=61;return 0;}
int nvmlDeviceGetBrand(void*h,unsigned*b){*b=1;return 0;}
"""
